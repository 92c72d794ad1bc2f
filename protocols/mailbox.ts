/**
 * A one-way, typed message channel to and from every peer, over one long-lived stream per peer and direction. Messages to
 * one peer arrive in the order they were sent; when its stream breaks, those on their way are lost, and the next opens
 * another. Messages to oneself are delivered likewise, without encoding.
 */
import { MeshError, toMeshError } from '../src/core/errors.ts';
import type { PeerId } from '../src/core/ids.ts';
import { Channel, type ChannelComponents, type ChannelOptions } from './channel.ts';
import type { Codec } from './codec.ts';
import { Listeners } from './listeners.ts';
import { wholeFrames } from './sink.ts';

/** Suits control messages: small, some per second and peer. */
export const MAILBOX_DEFAULTS = Object.freeze({
  /** One is in use; more only while a broken one is being replaced. */
  maxStreams: 8,
  openTimeoutMs: 5_000,
  stallTimeoutMs: 10_000,
  maxQueuedBytes: 16 * 1024 * 1024,
  maxQueuedShipments: 1024,
});

export class Mailbox<M> {
  readonly #channel: Channel;
  readonly #codec: Codec<M>;
  readonly #options: ChannelOptions;
  readonly #messages = new Listeners<[from: PeerId, message: M]>();

  constructor(components: ChannelComponents, codec: Codec<M>, options: ChannelOptions) {
    this.#codec = codec;
    this.#options = options;
    this.#channel = new Channel(components, options, ({ peer }) => {
      const take = (frame: Uint8Array): void => this.#messages.call(peer, codec.decode(frame));
      const sink = wholeFrames(take, options.arrivalPool?.shareOf(peer));
      return { sink, ended: () => sink.abandon() };
    });
  }

  /** Listeners must not throw. Returns how to stop listening. */
  onMessage(listener: (from: PeerId, message: M) => void): () => void {
    return this.#messages.add(listener);
  }

  /** Called about peers that break the protocol; their stream has been reset. Returns how to stop listening. */
  onViolation(listener: (peer: PeerId, error: MeshError) => void): () => void {
    return this.#channel.violations.add(listener);
  }

  /** Called by libp2p. */
  start(): Promise<void> {
    return this.#channel.start();
  }

  /** Called by libp2p. What is queued fails; what was handed to a stream is still sent. */
  stop(): Promise<void> {
    return this.#channel.stop();
  }

  /**
   * Resolves when the message has been handed to the stream, which does not mean that it arrived.
   * @throws MeshError PEER_LOST when the peer cannot be reached or reads nothing, OVERLOADED when too much waits for it,
   * PAYLOAD_TOO_LARGE, CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE after `stop`.
   */
  async send(peer: PeerId, message: M, signal?: AbortSignal): Promise<void> {
    if (peer === this.#channel.self) {
      this.#deliverSoon(message);
      return;
    }
    this.#channel.checkRoom(peer);
    await this.#post(peer, this.#encode(message), signal);
  }

  /** Sends to many peers, encoding once. Resolves to the failures, by peer; see `send`. */
  async broadcast(peers: Iterable<PeerId>, message: M, signal?: AbortSignal): Promise<ReadonlyMap<PeerId, MeshError>> {
    const frame = this.#encode(message);
    const failures = new Map<PeerId, MeshError>();
    await Promise.all(
      Array.from(peers, async (peer) => {
        try {
          if (peer === this.#channel.self) this.#deliverSoon(message);
          else await this.#post(peer, frame, signal);
        } catch (error) {
          failures.set(peer, toMeshError(error));
        }
      }),
    );
    return failures;
  }

  /** Bytes that wait for a peer. */
  queuedBytes(peer: PeerId): number {
    return this.#channel.queuedBytes(peer);
  }

  #encode(message: M): Uint8Array {
    const frame = this.#codec.encode(message);
    const { maxFrameBytes, protocol } = this.#options;
    if (frame.byteLength <= maxFrameBytes) return frame;
    throw new MeshError(
      'PAYLOAD_TOO_LARGE',
      `a message of ${frame.byteLength} bytes exceeds the ${maxFrameBytes} of ${protocol}; send less at a time`,
    );
  }

  #post(peer: PeerId, frame: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return this.#channel.send(peer, [frame], frame.byteLength, signal);
  }

  #deliverSoon(message: M): void {
    queueMicrotask(() => this.#messages.call(this.#channel.self, message));
  }
}
