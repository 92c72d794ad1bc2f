/**
 * What the actors of a request are handed: channels, members, models, kernel and clock. Real ones are put together in
 * `src/node.ts`; tests and simulations hand in others.
 */
import type { WeightFile } from '../../kernels/kernel.ts';
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import type { PeerProfile } from '../core/cost/cost-model.ts';
import type { InputSpec } from '../core/graph/bind.ts';
import type { Verdicts } from '../core/graph/minimal-filtering.ts';
import type { Graph } from '../core/graph/graph.ts';
import type { ModelId, PeerId } from '../core/ids.ts';

/** A typed, one-way channel to every peer, this one included. Order is kept per peer. */
export interface MessageChannel<Message> {
  /** @throws MeshError PEER_LOST, OVERLOADED, CANCELLED, DEADLINE_EXCEEDED. */
  send(to: PeerId, message: Message, signal?: AbortSignal): Promise<void>;
  onMessage(listener: (from: PeerId, message: Message) => void): () => void;
}

export interface PieceChannel {
  /** Says whether a piece is wanted before memory is set aside for it. */
  admit: (from: PeerId, header: PieceHeader) => boolean;
  send(to: PeerId, piece: Piece, signal?: AbortSignal): Promise<void>;
  onPiece(listener: (from: PeerId, piece: Piece) => void): () => void;
}

/** A member that can be given work. */
export interface MemberProfile extends PeerProfile {
  readonly name: string;
  readonly queueDepth: number;
  /** Requests that came in there and are not answered yet. */
  readonly activeRequests: number;
  /** Models whose manifest it holds. */
  readonly models: ReadonlySet<ModelId>;
}

export interface MemberDirectory {
  readonly self: PeerId;
  /** Members that are alive and not draining, this peer included. */
  available(): readonly MemberProfile[];
  /** Display name of a peer, its id where it has none. */
  nameOf(peer: PeerId): string;
  /** A peer's connection broke or it fell silent: nothing more is to be expected of it for now. */
  onLost(listener: (peer: PeerId) => void): () => void;
  onFound(listener: (peer: PeerId) => void): () => void;
  /** A peer did not do what it had taken on. */
  noteFault?(peer: PeerId): void;
  /** A peer was so late that others did its work. */
  noteLate?(peer: PeerId): void;
  /** How many times longer than planned a peer took for its tiles, where the others took as planned. */
  notePace?(peer: PeerId, pace: number): void;
  /** Whether to give a peer nothing for now, for its faults. */
  isBenched?(peer: PeerId): boolean;
  /** Somebody here waits for a peer longer than can be explained: it is asked for a sign of life, and lost soon without one. */
  doubt?(peer: PeerId): void;
  /** Members that are not heard at the moment: those suspected, and those that were asked for a sign of life and gave none yet. */
  doubtful?(): readonly PeerId[];
  /** How long an answer of the slowest of these peers may usually take, in milliseconds. */
  usualWaitMs?(peers: readonly PeerId[]): number;
  /** Gives a peer nothing more, and takes nothing of it: it has been seen to lie. */
  convict?(peer: PeerId, detail: string): void;
  /** Those convicted, here or for breaking the protocols. */
  convicted?(): readonly PeerId[];
}

/** A range of a model's weight blob, in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface ModelAccess {
  /** A peer that gives out work on a model has it, whatever its last heartbeat said. */
  noteHolder(id: ModelId, peer: PeerId): void;
  /** The graph, fetched from other peers where it is not here. @throws MeshError MODEL_NOT_FOUND, CANCELLED. */
  graph(id: ModelId, signal: AbortSignal): Promise<Graph>;
  /** Makes sure that ranges of the weights are on this machine. Null for a model without a weight blob. */
  weights(
    id: ModelId,
    ranges: readonly ByteRange[],
    signal: AbortSignal,
    onProgress: (completedBytes: number, totalBytes: number) => void,
  ): Promise<WeightFile | null>;
}

/** How this peer would have layers computed in the plans that it makes. */
export interface LayerChoice {
  /** Those that are known so far. */
  readonly verdicts: Verdicts;
  /** Has the layers of a model measured when there is time, if there are any that were not. */
  consider(graph: Graph, inputs: ReadonlyMap<string, InputSpec>): void;
}

/** What the costs promise, and nothing else. */
export const UNMEASURED: LayerChoice = { verdicts: {}, consider: () => undefined };

export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls back once after a while; returns how to prevent it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
