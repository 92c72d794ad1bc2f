/**
 * Frames to and from every peer: per peer one long-lived stream each way. What `Mailbox` and `PiecesService` have in
 * common; they add what a frame means.
 */
import { MeshError, toMeshError } from '../src/core/errors.ts';
import { asPeerId, type PeerId } from '../src/core/ids.ts';
import type { FastLanes, FrameCarrier } from './carrier.ts';
import {
  acceptStreams,
  openStream,
  refuseStreams,
  type Frame,
  type FramingOptions,
  type StreamComponents,
} from './framing.ts';
import { Listeners } from './listeners.ts';
import { Outbound, type CreditScheme, type OutboundLimits } from './outbound.ts';
import type { FrameSink } from './sink.ts';

export interface ChannelOptions extends FramingOptions, OutboundLimits {
  /** Lanes where they can be had, streams otherwise. */
  readonly usesLanes?: boolean;
}

export interface ChannelComponents extends StreamComponents {
  /** Looked at by those that use lanes. */
  readonly lanes?: FastLanes;
}

/** What happens to the frames of one stream from a peer. */
export interface Receiver {
  /** May throw MeshError INVALID_MESSAGE, which resets the stream. */
  readonly sink: FrameSink;
  /** The stream has ended. */
  readonly ended?: () => void;
}

/** How long stopping waits for what is already in the streams' buffers. */
const CLOSE_TIMEOUT_MS = 500;

export class Channel {
  /** This peer. */
  readonly self: PeerId;
  /** Peers that broke the protocol; their stream has been reset. */
  readonly violations = new Listeners<[peer: PeerId, error: MeshError]>();
  readonly #components: ChannelComponents;
  readonly #options: ChannelOptions;
  readonly #receiverFor: (stream: FrameCarrier) => Receiver;
  readonly #credit: CreditScheme | undefined;
  readonly #outbound = new Map<PeerId, Outbound>();
  readonly #inbound = new Set<FrameCarrier>();
  /** The stream that each peer sent to last: the others of that peer are given up. */
  readonly #latest = new Map<PeerId, FrameCarrier>();
  #stopAccepting = (): void => undefined;
  #isStopped = false;

  constructor(
    components: ChannelComponents,
    options: ChannelOptions,
    receiverFor: (stream: FrameCarrier) => Receiver,
    credit?: CreditScheme,
  ) {
    this.#components = components;
    this.#options = options;
    this.#receiverFor = receiverFor;
    this.#credit = credit;
    this.self = asPeerId(components.peerId.toString());
  }

  async start(): Promise<void> {
    this.#isStopped = false;
    const receive = (carrier: FrameCarrier): void => void this.#receive(carrier);
    this.#stopAccepting = this.#lanes?.accept(this.#options, receive) ?? this.#stopAccepting;
    await acceptStreams(this.#components, this.#options, receive);
  }

  /** What is queued fails with UNAVAILABLE; what was handed to a stream is still sent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopAccepting();
    await refuseStreams(this.#components, this.#options);
    await Promise.all(Array.from(this.#outbound.values(), (outbound) => outbound.stop(CLOSE_TIMEOUT_MS)));
    this.#outbound.clear();
    for (const stream of this.#inbound) stream.abort(stopped());
  }

  /**
   * Sends frames to another peer, behind what already waits for it. Resolves when all have been handed to the stream.
   * @throws MeshError as `Outbound.send`
   */
  async send(peer: PeerId, frames: Iterable<Frame>, byteLength: number, signal?: AbortSignal): Promise<void> {
    if (this.#isStopped) throw stopped();
    let outbound = this.#outbound.get(peer);
    if (outbound === undefined) {
      outbound = new Outbound(peer, () => this.#open(peer), this.#options, this.#credit);
      this.#outbound.set(peer, outbound);
    }
    try {
      await outbound.send(frames, byteLength, signal);
    } finally {
      if (outbound.isIdle && this.#outbound.get(peer) === outbound) this.#outbound.delete(peer);
    }
  }

  /** Refuses before work is put into a message that would not be taken. @throws MeshError OVERLOADED */
  checkRoom(peer: PeerId): void {
    const outbound = this.#outbound.get(peer);
    if (outbound?.hasRoomFor(1) === false) throw outbound.overload();
  }

  /** Bytes that wait for a peer. */
  queuedBytes(peer: PeerId): number {
    return this.#outbound.get(peer)?.queuedBytes ?? 0;
  }

  /** Looked up late: libp2p makes its services in the order in which they are listed. */
  get #lanes(): FastLanes | undefined {
    return this.#options.usesLanes === true ? this.#components.lanes : undefined;
  }

  async #open(peer: PeerId): Promise<FrameCarrier> {
    const lane = await this.#lanes?.carrierTo(peer, this.#options);
    return lane ?? openStream(this.#components, peer, this.#options);
  }

  async #receive(stream: FrameCarrier): Promise<void> {
    const { sink, ended } = this.#receiverFor(stream);
    this.#inbound.add(stream);
    try {
      await stream.readInto({
        begin: (byteLength) => {
          if (this.#latest.get(stream.peer) !== stream) this.#supersede(stream);
          sink.begin(byteLength);
        },
        push: (bytes) => sink.push(bytes),
        end: () => sink.end(),
      });
      await stream.close(CLOSE_TIMEOUT_MS);
    } catch (error) {
      const failure = toMeshError(error);
      // Anything else is a lost peer, which its sender and the membership notice on their own.
      if (failure.code === 'INVALID_MESSAGE') this.violations.call(stream.peer, failure);
    } finally {
      ended?.();
      this.#inbound.delete(stream);
      if (this.#latest.get(stream.peer) === stream) this.#latest.delete(stream.peer);
    }
  }

  /** A sender uses another stream once it has given up the one before: what still comes on that would be out of order. */
  #supersede(stream: FrameCarrier): void {
    const before = this.#latest.get(stream.peer);
    this.#latest.set(stream.peer, stream);
    before?.abort(new MeshError('CANCELLED', `peer ${stream.peer} uses another stream by now`));
  }
}

const stopped = (): MeshError => new MeshError('UNAVAILABLE', 'this peer is shutting down; ask another peer');
