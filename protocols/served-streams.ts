/**
 * The answering end of protocols in which whoever asks opens a stream for it: a bounded number for each peer, resets on
 * broken rules, all of them ended when the peer stops.
 */
import { MeshError, toMeshError } from '../src/core/errors.ts';
import type { PeerId } from '../src/core/ids.ts';
import type { BytePool } from './byte-pool.ts';
import {
  acceptStreams,
  refuseStreams,
  type FrameStream,
  type FramingOptions,
  type StreamComponents,
} from './framing.ts';
import { Listeners } from './listeners.ts';

export interface ServingOptions extends FramingOptions {
  /** How long a client may keep a stream without asking anything. */
  readonly idleTimeoutMs: number;
  /** Bytes of answers on their way to all peers together; unbounded when absent. */
  readonly queuePool?: BytePool;
}

export interface ServingLimits {
  /** Streams of one peer that are served at a time. */
  readonly perPeer: number;
  /** How long a stream may take to end in good order. */
  readonly closeTimeoutMs: number;
}

export class ServedStreams {
  /** Peers that broke the protocol; their stream has been reset. */
  readonly violations = new Listeners<[peer: PeerId, error: MeshError]>();
  readonly #components: StreamComponents;
  readonly #options: ServingOptions;
  readonly #limits: ServingLimits;
  readonly #serve: (stream: FrameStream, isTooMany: boolean) => Promise<void>;
  readonly #served = new Map<PeerId, Set<FrameStream>>();

  /** @param serve resolves when the client has ended its stream; `isTooMany`: every question is to be refused. */
  constructor(
    components: StreamComponents,
    options: ServingOptions,
    limits: ServingLimits,
    serve: (stream: FrameStream, isTooMany: boolean) => Promise<void>,
  ) {
    this.#components = components;
    this.#options = options;
    this.#limits = limits;
    this.#serve = serve;
  }

  async start(): Promise<void> {
    await acceptStreams(this.#components, this.#options, (stream) => void this.#take(stream));
  }

  async stop(): Promise<void> {
    await refuseStreams(this.#components, this.#options);
    const error = new MeshError('UNAVAILABLE', 'this peer is shutting down; ask another peer');
    for (const streams of this.#served.values()) for (const stream of streams) stream.abort(error);
  }

  async #take(stream: FrameStream): Promise<void> {
    const streams = this.#served.get(stream.peer) ?? new Set();
    this.#served.set(stream.peer, streams);
    const isTooMany = streams.size >= this.#limits.perPeer;
    streams.add(stream);
    try {
      await this.#serve(stream, isTooMany);
      await stream.close(this.#limits.closeTimeoutMs);
    } catch (error) {
      const failure = toMeshError(error);
      if (failure.code === 'INVALID_MESSAGE') this.violations.call(stream.peer, failure);
    } finally {
      streams.delete(stream);
      if (streams.size === 0) this.#served.delete(stream.peer);
    }
  }
}
