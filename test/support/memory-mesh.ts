/**
 * Several peers in one process, joined by channels in memory. The actors, codecs and kernel are the real ones; there are no
 * sockets, and peers are lost when the test says so.
 */
import { randomBytes } from 'node:crypto';
import type { Kernel } from '../../kernels/kernel.ts';
import { answerCodec, type AnswerMessage } from '../../protocols/answers/messages.ts';
import { electionCodec, type ElectionMessage } from '../../protocols/election/messages.ts';
import type { Codec } from '../../protocols/codec.ts';
import type { Piece } from '../../protocols/pieces/messages.ts';
import { planCodec, type PlanMessage } from '../../protocols/plan/messages.ts';
import { MeshError } from '../../src/core/errors.ts';
import type { Arithmetic } from '../../src/core/graph/bind.ts';
import type { Graph } from '../../src/core/graph/graph.ts';
import type { Verdicts } from '../../src/core/graph/minimal-filtering.ts';
import { asPeerId, type ModelId, type PeerId, type RequestId } from '../../src/core/ids.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import type { ClientRequest, EntryLimits } from '../../src/mesh/entry.ts';
import type { EntryResult } from '../../src/mesh/entry-desk.ts';
import type { EarlyLimits } from '../../src/mesh/early-pieces.ts';
import { PlanThread } from '../../src/mesh/plan-thread.ts';
import { ProgramShelf } from '../../src/mesh/program-shelf.ts';
import { PeerActors } from '../../src/mesh/peer-actors.ts';
import {
  SYSTEM_CLOCK,
  type MemberDirectory,
  type MessageChannel,
  type ModelAccess,
  type PieceChannel,
} from '../../src/mesh/ports.ts';
import { silentLogger } from '../../src/observability/logger.ts';

export interface MemoryMeshOptions {
  readonly peers: number;
  readonly kernel: Kernel;
  /** Where peers have kernels of their own: by their number. */
  readonly kernels?: Readonly<Record<number, Kernel>>;
  /** The share of the answers that is verified unasked. */
  readonly verifiedShare?: number;
  readonly graph: Graph;
  /** File of the weight blob, where the model has one. */
  readonly weightPath?: string;
  readonly arithmetic?: Arithmetic;
  /** What each peer has found out about layers; what the costs promise when absent. */
  readonly verdicts?: readonly Verdicts[];
  /** Relative speeds; all equal when absent. */
  readonly speeds?: readonly number[];
  readonly earlyLimits?: EarlyLimits;
  readonly limits?: Partial<EntryLimits>;
  /** Memory of each peer for feature maps. */
  readonly mapBytes?: number;
  /** Called with every piece before it is delivered; a test may take a peer away here, or throw. */
  readonly onPiece?: (from: PeerId, to: PeerId, piece: Piece) => void;
  /** Called with every message before it is delivered. What it returns is a delay in milliseconds. */
  readonly onMessage?: (from: PeerId, to: PeerId, message: ElectionMessage | PlanMessage) => number | undefined;
  /** The same with messages about answers. */
  readonly onAnswerMessage?: (from: PeerId, to: PeerId, message: AnswerMessage) => number | undefined;
}

export const MODEL_ID = 'a'.repeat(64) as ModelId;

interface MemoryPeer {
  readonly id: PeerId;
  readonly actors: PeerActors;
  readonly lost: Set<(peer: PeerId) => void>;
  /** Whom it has seen to lie, and why it says so. */
  readonly convicted: Map<PeerId, string>;
  isAlive: boolean;
}

type Deliver = (from: PeerId, message: unknown) => void;

export class MemoryMesh {
  readonly peers: MemoryPeer[];
  readonly #handlers = new Map<string, Set<Deliver>>();
  readonly #options: MemoryMeshOptions;
  readonly #planner = new PlanThread();

  constructor(options: MemoryMeshOptions) {
    this.#options = options;
    this.peers = Array.from({ length: options.peers }, (_, index) => this.#createPeer(index));
    for (const peer of this.peers) peer.actors.start();
  }

  #createPeer(index: number): MemoryPeer {
    const id = asPeerId(`peer${index}`);
    const { graph, weightPath, kernels, verifiedShare = 0, speeds, earlyLimits, verdicts } = this.#options;
    const { arithmetic = 'exact' } = this.#options;
    const kernel = kernels?.[index] ?? this.#options.kernel;
    const lost = new Set<(peer: PeerId) => void>();
    const convicted = new Map<PeerId, string>();
    const members: MemberDirectory = {
      self: id,
      available: () =>
        this.peers
          .filter((peer) => peer.isAlive && !convicted.has(peer.id))
          .map((peer) => ({
            peer: peer.id,
            name: peer.id,
            macsPerSecond: 4e9 * (speeds?.[this.peers.indexOf(peer)] ?? 1),
            memoryBudgetBytes: 1e9,
            queueDepth: 0,
            activeRequests: 0,
            models: new Set([MODEL_ID]),
          })),
      nameOf: (peer) => peer,
      onLost: (listener) => {
        lost.add(listener);
        return () => lost.delete(listener);
      },
      onFound: () => () => undefined,
      convict: (peer, detail) => void convicted.set(peer, detail),
      convicted: () => [...convicted.keys()],
    };
    const models: ModelAccess = {
      noteHolder: () => undefined,
      graph: () => Promise.resolve(graph),
      weights: () => Promise.resolve(weightPath === undefined ? null : { path: weightPath }),
    };
    const actors = new PeerActors({
      members,
      elections: this.#channel<ElectionMessage>('election', id, electionCodec, this.#options.onMessage),
      plans: this.#channel<PlanMessage>('plan', id, planCodec, this.#options.onMessage),
      pieces: this.#pieces(id),
      answers: this.#channel<AnswerMessage>('answers', id, answerCodec, this.#options.onAnswerMessage),
      models,
      shelf: new ProgramShelf(kernel, 1e9),
      planner: this.#planner,
      clock: SYSTEM_CLOCK,
      logger: silentLogger(),
      limits: { maxConcurrent: 16, maxQueued: 64, maxInputBytes: 1e9, ...this.#options.limits },
      mapBytes: this.#options.mapBytes ?? 1e9,
      ...(earlyLimits === undefined ? {} : { earlyLimits }),
      arithmetic,
      ...(verdicts === undefined ? {} : { layers: { verdicts: verdicts[index]!, consider: () => undefined } }),
      verifiedShare,
    });
    return { id, actors, lost, convicted, isAlive: true };
  }

  #isUp(id: PeerId): boolean {
    return this.peers.some((peer) => peer.id === id && peer.isAlive);
  }

  #on(key: string, handler: Deliver): () => void {
    const handlers = this.#handlers.get(key) ?? new Set();
    this.#handlers.set(key, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  async #deliver(protocol: string, from: PeerId, to: PeerId, make: () => unknown, delayMs?: number): Promise<void> {
    if (!this.#isUp(from)) return;
    if (!this.#isUp(to)) throw new MeshError('PEER_LOST', `${to} is gone`);
    const message = make();
    const deliver = (): void => {
      if (!this.#isUp(to)) return;
      for (const handler of this.#handlers.get(`${protocol}/${to}`) ?? []) handler(from, message);
    };
    if (delayMs === undefined) setImmediate(deliver);
    else setTimeout(deliver, delayMs);
    return Promise.resolve();
  }

  #channel<Message extends ElectionMessage | PlanMessage | AnswerMessage>(
    protocol: string,
    self: PeerId,
    codec: Codec<Message>,
    delayOf: ((from: PeerId, to: PeerId, message: Message) => number | undefined) | undefined,
  ): MessageChannel<Message> {
    return {
      send: (to, message) =>
        this.#deliver(protocol, self, to, () => codec.decode(codec.encode(message)), delayOf?.(self, to, message)),
      onMessage: (listener) => this.#on(`${protocol}/${self}`, listener as Deliver),
    };
  }

  #pieces(self: PeerId): PieceChannel {
    const channel: PieceChannel = {
      admit: () => true,
      send: async (to, piece) => {
        this.#options.onPiece?.(self, to, piece);
        await this.#deliver('pieces', self, to, () => (to === self ? piece : { ...piece, bytes: piece.bytes.slice() }));
      },
      onPiece: (listener) =>
        this.#on(`pieces/${self}`, (from, message) => {
          const piece = message as Piece;
          if (channel.admit(from, { ...piece, byteLength: piece.bytes.byteLength })) listener(from, piece);
        }),
    };
    return channel;
  }

  /** A peer begins anew, with nothing that it had learnt, and nobody hears of it. */
  replace(index: number): void {
    this.peers[index]!.actors.stop();
    this.peers[index] = this.#createPeer(index);
    this.peers[index].actors.start();
  }

  /** A peer vanishes: it neither sends nor receives any more, and the others hear of it. */
  kill(id: PeerId): void {
    const victim = this.peers.find((peer) => peer.id === id);
    if (victim?.isAlive !== true) return;
    victim.isAlive = false;
    setImmediate(() => {
      for (const peer of this.peers) if (peer.isAlive) for (const listener of peer.lost) listener(id);
    });
  }

  infer(
    entry: number,
    inputs: ReadonlyMap<string, Tensor>,
    parallelism: number,
    overrides: Partial<ClientRequest> = {},
  ): Promise<EntryResult> {
    return this.peers[entry]!.actors.entry.infer({
      requestId: randomBytes(16).toString('hex') as RequestId,
      model: 'test',
      modelId: MODEL_ID,
      inputs,
      parallelism,
      deadlineMs: 60_000,
      signal: new AbortController().signal,
      client: 'test',
      isNamed: false,
      ...overrides,
    });
  }

  async stop(): Promise<void> {
    for (const peer of this.peers) peer.actors.stop();
    await this.#planner.close();
  }
}
