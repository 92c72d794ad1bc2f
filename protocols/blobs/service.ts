/** Models from peer to peer: manifest, graph, which chunks of the weights are held, and the chunks; a stream each. */
import type { MeshError } from '../../src/core/errors.ts';
import type { ModelId, PeerId } from '../../src/core/ids.ts';
import { openStream, type StreamComponents } from '../framing.ts';
import { ServedStreams, type ServingOptions } from '../served-streams.ts';
import { MAX_FRAME_BYTES, MAX_PIPELINED, MAX_SERVED_PER_PEER, PROTOCOL_ID } from './constants.ts';
import { Exchange } from './exchange.ts';
import type { BlobKind } from './messages.ts';
import { serveStream, type BlobProvider } from './server.ts';

export interface BlobsOptions extends ServingOptions {
  /** How long an answer may make no progress. */
  readonly answerTimeoutMs: number;
}

export const BLOBS_DEFAULTS: BlobsOptions = Object.freeze({
  protocol: PROTOCOL_ID,
  maxFrameBytes: MAX_FRAME_BYTES,
  maxStreams: 4 * MAX_SERVED_PER_PEER,
  openTimeoutMs: 5_000,
  stallTimeoutMs: 10_000,
  answerTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
});

/** How long a stream may take to end in good order. */
const CLOSE_TIMEOUT_MS = 1_000;

/** A chunk of a weight blob, at byte `index * CHUNK_BYTES`. Not yet verified. */
export interface BlobChunk {
  readonly index: number;
  readonly bytes: Uint8Array;
}

/**
 * All methods that ask a peer throw MeshError: PEER_LOST, DEADLINE_EXCEEDED when it sends nothing for 10 s, OVERLOADED
 * when it serves too much already, CANCELLED, INVALID_MESSAGE, or what its provider threw. Answers are not verified.
 */
export class BlobsService {
  readonly #components: StreamComponents;
  readonly #options: BlobsOptions;
  readonly #served: ServedStreams;
  #provider: BlobProvider = NOTHING;

  constructor(components: StreamComponents, options: BlobsOptions) {
    this.#components = components;
    this.#options = options;
    const limits = { perPeer: MAX_SERVED_PER_PEER, closeTimeoutMs: CLOSE_TIMEOUT_MS };
    this.#served = new ServedStreams(components, options, limits, (stream, isTooMany) =>
      serveStream(
        stream,
        isTooMany ? undefined : this.#provider,
        options.idleTimeoutMs,
        options.queuePool?.shareOf(stream.peer),
      ),
    );
  }

  /** Called by libp2p. */
  start(): Promise<void> {
    return this.#served.start();
  }

  /** Called by libp2p. */
  stop(): Promise<void> {
    return this.#served.stop();
  }

  /** What this peer serves from now on; before that it holds nothing. */
  provide(provider: BlobProvider): void {
    this.#provider = provider;
  }

  /** Called about peers that break the protocol; their stream has been reset. Returns how to stop listening. */
  onViolation(listener: (peer: PeerId, error: MeshError) => void): () => void {
    return this.#served.violations.add(listener);
  }

  /** The manifest, JSON; null when the peer does not hold it. */
  manifest(peer: PeerId, id: ModelId, signal: AbortSignal): Promise<Uint8Array | null> {
    return this.#askOnce('manifest', peer, id, signal);
  }

  /** The graph without its weights; null when the peer does not hold it. */
  graph(peer: PeerId, id: ModelId, signal: AbortSignal): Promise<Uint8Array | null> {
    return this.#askOnce('graph', peer, id, signal);
  }

  /** Bitmap of the chunks the peer holds, lowest bit first; null when it does not know the model. */
  have(peer: PeerId, id: ModelId, signal: AbortSignal): Promise<Uint8Array | null> {
    return this.#askOnce('have', peer, id, signal);
  }

  /** The chunks asked for, in that order, without those the peer does not hold. Few are fetched ahead of the consumer. */
  async *chunks(
    peer: PeerId,
    id: ModelId,
    indices: readonly number[],
    signal: AbortSignal,
  ): AsyncGenerator<BlobChunk, void, undefined> {
    if (indices.length === 0) return;
    const exchange = await this.#open(peer, signal);
    try {
      const asked: { readonly index: number; readonly answer: Promise<Uint8Array | null> }[] = [];
      let next = 0;
      do {
        for (; asked.length < MAX_PIPELINED && next < indices.length; next++) {
          const index = indices[next]!;
          const answer = exchange.ask({ kind: 'chunk', modelId: id, index });
          // Whoever awaits it sees the failure; one that is never awaited must not count as unhandled.
          answer.catch(() => undefined);
          asked.push({ index, answer });
        }
        const { index, answer } = asked.shift()!;
        const bytes = await answer;
        if (bytes !== null) yield { index, bytes };
      } while (asked.length > 0 || next < indices.length);
    } finally {
      await exchange.close(CLOSE_TIMEOUT_MS);
    }
  }

  async #askOnce(
    kind: Exclude<BlobKind, 'chunk'>,
    peer: PeerId,
    id: ModelId,
    signal: AbortSignal,
  ): Promise<Uint8Array | null> {
    const exchange = await this.#open(peer, signal);
    try {
      return await exchange.ask({ kind, modelId: id });
    } finally {
      await exchange.close(CLOSE_TIMEOUT_MS);
    }
  }

  async #open(peer: PeerId, signal: AbortSignal): Promise<Exchange> {
    const stream = await openStream(this.#components, peer, this.#options, signal);
    return new Exchange(stream, this.#options.answerTimeoutMs, signal);
  }
}

const NOTHING: BlobProvider = {
  manifest: () => Promise.resolve(null),
  graph: () => Promise.resolve(null),
  have: () => Promise.resolve(null),
  chunk: () => Promise.resolve(null),
};

/** The libp2p service of `/tilemesh/blobs/1.0.0`. */
export const blobs =
  (init: Partial<Omit<BlobsOptions, 'maxFrameBytes'>> = {}) =>
  (components: StreamComponents): BlobsService =>
    new BlobsService(components, { ...BLOBS_DEFAULTS, ...init });
