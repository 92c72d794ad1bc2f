/**
 * Lanes: who has something to send offers one over a libp2p stream, which noise has authenticated, and the receiver connects
 * with the key it finds there. Where that fails, streams carry on as before.
 */
import type { Connection, PeerId as Libp2pPeerId } from '@libp2p/interface';
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import { asPeerId, type PeerId } from '../../src/core/ids.ts';
import type { FastLanes, FrameCarrier } from '../carrier.ts';
import {
  acceptStreams,
  openConnection,
  openStream,
  refuseStreams,
  spoken,
  type FrameStream,
  type FramingOptions,
  type StreamComponents,
} from '../framing.ts';
import { wholeFrames } from '../sink.ts';
import { waitFor } from '../wait.ts';
import { MAX_FRAME_BYTES, MAX_PROTOCOLS, PROTOCOL_ID } from './constants.ts';
import { Lane } from './lane.ts';
import { LaneListener } from './listener.ts';
import { answerCodec, offerCodec, type Answer, type Offer } from './messages.ts';
import { dialSecurely } from './secure.ts';

/** What is done about it is done elsewhere. */
const unconcerned = (): void => undefined;

export interface LanesOptions extends FramingOptions {
  /** TCP port to listen on; 0: any. */
  readonly port: number;
  /** How long a machine may take to answer on the port it offered; longer, and a firewall stands in between. */
  readonly connectTimeoutMs: number;
  /** How long a key is valid, and a handshake may take. */
  readonly handshakeTimeoutMs: number;
  readonly maxHandshakes: number;
  /** Lanes in each direction; there is one per peer. */
  readonly maxLanes: number;
  /** How long a peer with which no lane came about is sent to by streams without asking again. */
  readonly retryMs: number;
  /** Called when it is decided how a peer is sent to. */
  readonly onChoice: (choice: LaneChoice) => void;
}

export interface LaneChoice {
  readonly peer: PeerId;
  readonly carrier: 'lane' | 'stream';
  /** Why there is no lane. */
  readonly reason?: string;
}

export const LANES_DEFAULTS: LanesOptions = Object.freeze({
  protocol: PROTOCOL_ID,
  maxFrameBytes: MAX_FRAME_BYTES,
  maxStreams: 4,
  // Handshakes of many peers at once take long on a busy board.
  openTimeoutMs: 10_000,
  stallTimeoutMs: 10_000,
  port: 0,
  connectTimeoutMs: 1_500,
  handshakeTimeoutMs: 10_000,
  maxHandshakes: 64,
  maxLanes: 160,
  retryMs: 60_000,
  onChoice: unconcerned,
});

export interface LaneComponents extends StreamComponents {
  readonly addressManager: { getListenAddrs(): readonly { toString(): string }[] };
  readonly events: Pick<EventTarget, 'addEventListener' | 'removeEventListener'>;
}

interface Accepted {
  readonly options: FramingOptions;
  readonly onCarrier: (carrier: FrameCarrier) => void;
}

/** How long stopping waits for what is already in the lanes' buffers. */
const CLOSE_TIMEOUT_MS = 500;

export class LanesService implements FastLanes {
  readonly #components: LaneComponents;
  readonly #options: LanesOptions;
  readonly #listener: LaneListener;
  readonly #accepted = new Map<string, Accepted>();
  /** To each peer: the lane, or what becomes of the offer. */
  readonly #outgoing = new Map<PeerId, Promise<Lane | undefined>>();
  readonly #incoming = new Map<PeerId, Lane>();
  /** Peers that are not asked again before a time. */
  readonly #refusals = new Map<PeerId, number>();
  readonly #lanes = new Set<Lane>();
  readonly #onDisconnect = (event: Event): void =>
    this.#forget(asPeerId((event as CustomEvent<Libp2pPeerId>).detail.toString()));

  constructor(components: LaneComponents, options: LanesOptions) {
    this.#components = components;
    this.#options = options;
    this.#listener = new LaneListener({
      keyTimeoutMs: options.handshakeTimeoutMs,
      maxHandshakes: options.maxHandshakes,
      maxKeys: options.maxLanes,
    });
  }

  /** Called by libp2p. @throws MeshError PORT_IN_USE, INVALID_CONFIG when it cannot listen. */
  async start(): Promise<void> {
    const hosts = this.#components.addressManager.getListenAddrs().flatMap((address) => hostOf(address) ?? []);
    await this.#listener.listen([...new Set(hosts)], this.#options.port);
    this.#components.events.addEventListener('peer:disconnect', this.#onDisconnect);
  }

  /** Called by libp2p, when all protocols are known. */
  async afterStart(): Promise<void> {
    await acceptStreams(this.#components, this.#options, (stream, connection) => void this.#answer(stream, connection));
  }

  /** Called by libp2p. What the protocols still have to send is sent meanwhile. */
  async stop(): Promise<void> {
    this.#components.events.removeEventListener('peer:disconnect', this.#onDisconnect);
    this.#listener.close();
    await refuseStreams(this.#components, this.#options);
  }

  /** Called by libp2p, when all protocols have stopped. */
  async afterStop(): Promise<void> {
    await Promise.all(Array.from(this.#lanes, (lane) => lane.end(CLOSE_TIMEOUT_MS)));
    this.#outgoing.clear();
    this.#refusals.clear();
  }

  /** Peers that are sent to by a lane, and that send by one. */
  get open(): { readonly outgoing: number; readonly incoming: number } {
    return { outgoing: this.#lanes.size - this.#incoming.size, incoming: this.#incoming.size };
  }

  accept(options: FramingOptions, onCarrier: (carrier: FrameCarrier) => void): () => void {
    const accepted = { options, onCarrier };
    for (const protocol of spoken(options)) this.#accepted.set(protocol, accepted);
    return () => {
      for (const protocol of spoken(options)) this.#accepted.delete(protocol);
    };
  }

  async carrierTo(peer: PeerId, options: FramingOptions): Promise<FrameCarrier | undefined> {
    let lane = await this.#laneTo(peer);
    // It may have ended this moment.
    if (lane?.isOpen() === false) lane = await this.#laneTo(peer);
    return lane?.carrier(options);
  }

  async #laneTo(peer: PeerId): Promise<Lane | undefined> {
    if ((this.#refusals.get(peer) ?? 0) > performance.now()) return undefined;
    let offered = this.#outgoing.get(peer);
    if (offered === undefined) {
      const made = this.#offerTo(peer);
      const forget = (): void => {
        if (this.#outgoing.get(peer) === made) this.#outgoing.delete(peer);
      };
      made.then((lane) => (lane === undefined ? forget() : void lane.closed.then(forget)), forget);
      this.#outgoing.set(peer, made);
      offered = made;
    }
    return offered;
  }

  /** Undefined when there is no lane to be had. @throws MeshError PEER_LOST when there is not even a connection. */
  async #offerTo(peer: PeerId): Promise<Lane | undefined> {
    const { maxLanes, retryMs, onChoice } = this.#options;
    await openConnection(this.#components, peer, this.#options);
    try {
      if (this.#outgoing.size > maxLanes) throw new MeshError('OVERLOADED', `${maxLanes} lanes are open already`);
      const lane = await this.#open(peer);
      onChoice({ peer, carrier: 'lane' });
      return lane;
    } catch (error) {
      this.#refusals.set(peer, performance.now() + retryMs);
      onChoice({ peer, carrier: 'stream', reason: toMeshError(error).message });
      return undefined;
    }
  }

  async #open(peer: PeerId): Promise<Lane> {
    const ticket = this.#listener.issue();
    try {
      const stream = await openStream(this.#components, peer, this.#options);
      const offer: Offer = {
        keyId: ticket.keyId,
        key: ticket.key,
        validMs: this.#options.handshakeTimeoutMs,
        listeners: this.#listener.listeners,
        protocols: [...this.#accepted.keys()].slice(0, MAX_PROTOCOLS),
      };
      const answer = await this.#ask(stream, offer);
      if (answer.kind === 'refuse') throw new MeshError(answer.code, answer.message);
      const protocols = answer.protocols.filter((protocol) => offer.protocols.includes(protocol));
      const socket = await ticket.socket;
      const lane = this.#keep(new Lane(peer, protocols, socket, this.#options.stallTimeoutMs));
      socket.on('data', (bytes: Buffer) => lane.push(bytes));
      return lane;
    } catch (error) {
      ticket.socket.then((socket) => socket.destroy(), unconcerned);
      throw error;
    } finally {
      ticket.withdraw();
    }
  }

  async #ask(stream: FrameStream, offer: Offer): Promise<Answer> {
    const { handshakeTimeoutMs } = this.#options;
    try {
      return await waitFor<Answer>(
        (resolve, reject) => {
          const sink = wholeFrames((frame) => resolve(answerCodec.decode(frame)));
          const unanswered = (): void =>
            reject(new MeshError('PEER_LOST', `peer ${stream.peer} did not answer the offer of a lane`));
          stream.readInto(sink).then(unanswered, reject);
          stream.write(offerCodec.encode(offer)).catch(reject);
          return unconcerned;
        },
        {
          timeoutMs: handshakeTimeoutMs,
          onTimeout: () =>
            new MeshError('PEER_LOST', `peer ${stream.peer} did not connect in ${handshakeTimeoutMs} ms`),
        },
      );
    } finally {
      await stream.close(CLOSE_TIMEOUT_MS);
    }
  }

  /** Never rejects: whoever offered the lane gets the reason. */
  async #answer(stream: FrameStream, connection: Connection): Promise<void> {
    const idle = setTimeout(() => stream.abort(new Error('nothing was offered')), this.#options.openTimeoutMs);
    let isAnswered = false;
    try {
      await stream.readInto(
        wholeFrames((frame) => {
          if (isAnswered) return;
          isAnswered = true;
          clearTimeout(idle);
          void this.#respond(stream, connection, frame);
        }),
      );
    } catch {
      // The other end gave up; so does this one.
    } finally {
      clearTimeout(idle);
    }
  }

  async #respond(stream: FrameStream, connection: Connection, frame: Uint8Array): Promise<void> {
    let answer: Answer;
    try {
      const protocols = await this.#connect(stream.peer, connection, offerCodec.decode(frame));
      answer = { kind: 'accept', protocols };
    } catch (error) {
      const { code, message } = toMeshError(error);
      answer = { kind: 'refuse', code, message };
    }
    try {
      await stream.write(answerCodec.encode(answer));
      await stream.close(CLOSE_TIMEOUT_MS);
    } catch (error) {
      stream.abort(toMeshError(error));
    }
  }

  /** Connects to a peer that offers a lane, at the address where its libp2p connection ends. */
  async #connect(peer: PeerId, connection: Connection, offer: Offer): Promise<readonly string[]> {
    const { maxLanes, connectTimeoutMs, handshakeTimeoutMs, stallTimeoutMs } = this.#options;
    if (this.#incoming.size >= maxLanes && !this.#incoming.has(peer)) {
      throw new MeshError('OVERLOADED', `${maxLanes} lanes are open already`);
    }
    const host = hostOf(connection.remoteAddr);
    const listener = offer.listeners.find((candidate) => candidate.host === host || candidate.host === '0.0.0.0');
    if (host === undefined || listener === undefined) {
      throw new MeshError('UNAVAILABLE', `no lane is offered at ${host ?? 'an IPv4 address'}`);
    }
    const accepted = [...new Set(this.#accepted.values())].flatMap(({ options, onCarrier }) => {
      const protocol = spoken(options).find((own) => offer.protocols.includes(own));
      return protocol === undefined ? [] : [{ options, onCarrier, protocol }];
    });
    const protocols = accepted.map(({ protocol }) => protocol);
    const { socket, receive } = await dialSecurely({
      host,
      port: listener.port,
      keyId: offer.keyId,
      key: offer.key,
      connectTimeoutMs,
      handshakeTimeoutMs: Math.min(handshakeTimeoutMs, offer.validMs),
    });
    const lane = this.#keep(new Lane(peer, protocols, socket, stallTimeoutMs));
    receive((bytes) => lane.push(bytes));
    if (connection.status !== 'open') {
      lane.abort(new MeshError('PEER_LOST', `peer ${peer} is gone`));
      throw new MeshError('PEER_LOST', `peer ${peer} is gone`);
    }
    const before = this.#incoming.get(peer);
    this.#incoming.set(peer, lane);
    void lane.closed.then(() => {
      if (this.#incoming.get(peer) === lane) this.#incoming.delete(peer);
    });
    // There is one lane per peer: whoever offers another has lost the one before.
    before?.abort(new MeshError('CANCELLED', `peer ${peer} uses another lane by now`));
    for (const { options, onCarrier } of accepted) {
      const carrier = lane.carrier(options);
      if (carrier !== undefined) onCarrier(carrier);
    }
    return protocols;
  }

  #keep(lane: Lane): Lane {
    this.#lanes.add(lane);
    void lane.closed.then(() => this.#lanes.delete(lane));
    return lane;
  }

  /** Without a connection there is no lane: membership decides by connections who is there. */
  #forget(peer: PeerId): void {
    this.#refusals.delete(peer);
    this.#outgoing.delete(peer);
    for (const lane of this.#lanes) {
      if (lane.peer === peer) lane.abort(new MeshError('PEER_LOST', `the connection to peer ${peer} ended`));
    }
  }
}

const hostOf = (address: { toString(): string }): string | undefined =>
  /^\/ip4\/(\d{1,3}(?:\.\d{1,3}){3})\/tcp\//.exec(address.toString())?.[1];

/** The libp2p service of `/tilemesh/lane/1.0.0`. List it first: the others use it. */
export const lanes =
  (init: Partial<Omit<LanesOptions, 'maxFrameBytes'>> = {}) =>
  (components: LaneComponents): LanesService =>
    new LanesService(components, { ...LANES_DEFAULTS, ...init });
