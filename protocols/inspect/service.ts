/** Questions from peer to peer about what they did and how they are; asked by people, never by requests on their way. */
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { PeerId } from '../../src/core/ids.ts';
import { acceptStreams, openStream, type FrameStream, type FramingOptions, type StreamComponents } from '../framing.ts';
import { Listeners } from '../listeners.ts';
import { MAX_FRAME_BYTES, MAX_SERVED_PER_PEER, PROTOCOL_ID } from './constants.ts';
import { serveQuestions, type InspectProvider } from './server.ts';
import { Session } from './session.ts';

export interface InspectOptions extends FramingOptions {
  /** How long one answer may take. */
  readonly answerTimeoutMs: number;
  /** How long a client may keep a stream without asking anything. */
  readonly idleTimeoutMs: number;
}

export const INSPECT_DEFAULTS: InspectOptions = Object.freeze({
  protocol: PROTOCOL_ID,
  maxFrameBytes: MAX_FRAME_BYTES,
  maxStreams: 4 * MAX_SERVED_PER_PEER,
  openTimeoutMs: 2_000,
  stallTimeoutMs: 2_000,
  answerTimeoutMs: 2_000,
  idleTimeoutMs: 10_000,
});

/** How long a stream may take to end in good order. */
const CLOSE_TIMEOUT_MS = 500;

export class InspectService {
  readonly #violations = new Listeners<[peer: PeerId, error: MeshError]>();
  readonly #components: StreamComponents;
  readonly #options: InspectOptions;
  readonly #served = new Map<PeerId, Set<FrameStream>>();
  #provider: InspectProvider | undefined;

  constructor(components: StreamComponents, options: InspectOptions) {
    this.#components = components;
    this.#options = options;
  }

  /** Called by libp2p. */
  async start(): Promise<void> {
    await acceptStreams(this.#components, this.#options, (stream) => void this.#serve(stream));
  }

  /** Called by libp2p. */
  async stop(): Promise<void> {
    await this.#components.registrar.unhandle(this.#options.protocol);
    const error = new MeshError('UNAVAILABLE', 'this peer is shutting down; ask another peer');
    for (const streams of this.#served.values()) for (const stream of streams) stream.abort(error);
  }

  /** Answers from now on; before that everything is refused. */
  provide(provider: InspectProvider): void {
    this.#provider = provider;
  }

  /** Called about peers that break the protocol; their stream has been reset. Returns how to stop listening. */
  onViolation(listener: (peer: PeerId, error: MeshError) => void): () => void {
    return this.#violations.add(listener);
  }

  /**
   * Asks a peer, on a stream of its own.
   * @throws MeshError PEER_LOST, DEADLINE_EXCEEDED, OVERLOADED, CANCELLED, INVALID_MESSAGE.
   */
  async ask<Result>(
    peer: PeerId,
    conversation: (session: Session) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const stream = await openStream(this.#components, peer, this.#options, signal);
    const session = new Session(stream, this.#options.answerTimeoutMs, signal);
    try {
      return await conversation(session);
    } finally {
      // Whoever has the answer does not wait until the stream is gone.
      void session.close(CLOSE_TIMEOUT_MS);
    }
  }

  async #serve(stream: FrameStream): Promise<void> {
    const streams = this.#served.get(stream.peer) ?? new Set();
    this.#served.set(stream.peer, streams);
    const provider = streams.size < MAX_SERVED_PER_PEER ? this.#provider : undefined;
    streams.add(stream);
    try {
      await serveQuestions(stream, provider, this.#options.idleTimeoutMs);
      await stream.close(CLOSE_TIMEOUT_MS);
    } catch (error) {
      const failure = toMeshError(error);
      if (failure.code === 'INVALID_MESSAGE') this.#violations.call(stream.peer, failure);
    } finally {
      streams.delete(stream);
      if (streams.size === 0) this.#served.delete(stream.peer);
    }
  }
}

/** The libp2p service of `/tilemesh/inspect/1.0.0`. */
export const inspect =
  (init: Partial<Omit<InspectOptions, 'protocol' | 'maxFrameBytes'>> = {}) =>
  (components: StreamComponents): InspectService =>
    new InspectService(components, { ...INSPECT_DEFAULTS, ...init });
