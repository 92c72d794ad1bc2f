/** Questions from peer to peer about what they did and how they are; asked by people, never by requests on their way. */
import type { MeshError } from '../../src/core/errors.ts';
import type { PeerId } from '../../src/core/ids.ts';
import { openStream, type StreamComponents } from '../framing.ts';
import { ServedStreams, type ServingOptions } from '../served-streams.ts';
import { MAX_FRAME_BYTES, MAX_SERVED_PER_PEER, PROTOCOL_ID } from './constants.ts';
import { serveQuestions, type InspectProvider } from './server.ts';
import { Session } from './session.ts';

export interface InspectOptions extends ServingOptions {
  /** How long one answer may take. */
  readonly answerTimeoutMs: number;
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
  readonly #components: StreamComponents;
  readonly #options: InspectOptions;
  readonly #served: ServedStreams;
  #provider: InspectProvider | undefined;

  constructor(components: StreamComponents, options: InspectOptions) {
    this.#components = components;
    this.#options = options;
    const limits = { perPeer: MAX_SERVED_PER_PEER, closeTimeoutMs: CLOSE_TIMEOUT_MS };
    this.#served = new ServedStreams(components, options, limits, (stream, isTooMany) =>
      serveQuestions(
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

  /** Answers from now on; before that everything is refused. */
  provide(provider: InspectProvider): void {
    this.#provider = provider;
  }

  /** Called about peers that break the protocol; their stream has been reset. Returns how to stop listening. */
  onViolation(listener: (peer: PeerId, error: MeshError) => void): () => void {
    return this.#served.violations.add(listener);
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
}

/** The libp2p service of `/tilemesh/inspect/1.0.0`. */
export const inspect =
  (init: Partial<Omit<InspectOptions, 'maxFrameBytes'>> = {}) =>
  (components: StreamComponents): InspectService =>
    new InspectService(components, { ...INSPECT_DEFAULTS, ...init });
