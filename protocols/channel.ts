/**
 * Frames to and from every peer: per peer one long-lived stream each way. What `Mailbox` and `PiecesService` have in
 * common; they add what a frame means.
 */
import type { Uint8ArrayList } from 'uint8arraylist';
import { MeshError, toMeshError } from '../src/core/errors.ts';
import { asPeerId, type PeerId } from '../src/core/ids.ts';
import {
  acceptStreams,
  openStream,
  type Frame,
  type FrameStream,
  type FramingOptions,
  type StreamComponents,
} from './framing.ts';
import { Listeners } from './listeners.ts';
import { Outbound, type CreditScheme, type OutboundLimits } from './outbound.ts';

export interface ChannelOptions extends FramingOptions, OutboundLimits {}

/** What happens to the frames of one stream from a peer. */
export interface Receiver {
  /** Must consume the frame at once. @throws MeshError INVALID_MESSAGE, which resets the stream. */
  readonly take: (frame: Uint8ArrayList) => void;
  /** The stream has ended. */
  readonly end?: () => void;
}

/** How long stopping waits for what is already in the streams' buffers. */
const CLOSE_TIMEOUT_MS = 500;

export class Channel {
  /** This peer. */
  readonly self: PeerId;
  /** Peers that broke the protocol; their stream has been reset. */
  readonly violations = new Listeners<[peer: PeerId, error: MeshError]>();
  readonly #components: StreamComponents;
  readonly #options: ChannelOptions;
  readonly #receiverFor: (stream: FrameStream) => Receiver;
  readonly #credit: CreditScheme | undefined;
  readonly #outbound = new Map<PeerId, Outbound>();
  readonly #inbound = new Set<FrameStream>();
  #isStopped = false;

  constructor(
    components: StreamComponents,
    options: ChannelOptions,
    receiverFor: (stream: FrameStream) => Receiver,
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
    await acceptStreams(this.#components, this.#options, (stream) => void this.#receive(stream));
  }

  /** What is queued fails with UNAVAILABLE; what was handed to a stream is still sent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#components.registrar.unhandle(this.#options.protocol);
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
      const open = (): Promise<FrameStream> => openStream(this.#components, peer, this.#options);
      outbound = new Outbound(peer, open, this.#options, this.#credit);
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

  async #receive(stream: FrameStream): Promise<void> {
    const receiver = this.#receiverFor(stream);
    this.#inbound.add(stream);
    try {
      await stream.read(receiver.take);
      await stream.close(CLOSE_TIMEOUT_MS);
    } catch (error) {
      const failure = toMeshError(error);
      // Anything else is a lost peer, which its sender and the membership notice on their own.
      if (failure.code === 'INVALID_MESSAGE') this.violations.call(stream.peer, failure);
    } finally {
      receiver.end?.();
      this.#inbound.delete(stream);
    }
  }
}

const stopped = (): MeshError => new MeshError('UNAVAILABLE', 'this peer is shutting down; ask another peer');
