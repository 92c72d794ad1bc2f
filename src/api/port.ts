/**
 * What the HTTP API is handed: one peer, seen from outside. The composition root implements it; the API knows nothing
 * of meshes, kernels or sockets.
 */
import type { Failure } from '../core/errors.ts';
import type { ValueInfo } from '../core/graph/graph.ts';
import type { ModelId, PeerId, RequestId } from '../core/ids.ts';
import type { RunReport } from '../core/report.ts';
import type { Tensor } from '../core/tensor/tensor.ts';
import type { Insight } from './insight.ts';
import type { MembershipPort } from './membership-port.ts';
import type { TaskKind, TaskSpec } from '../../models/tasks/task.ts';

export type WeightOrigin = 'trained' | 'seeded' | 'imported';

export type MemberState = 'joining' | 'alive' | 'suspect' | 'draining' | 'left' | 'failed' | 'incompatible' | 'banned';

/** One member as this peer sees it. `name`, `version` and the names of models are text from the network. */
export interface MemberView {
  readonly id: PeerId;
  readonly name: string;
  readonly state: MemberState;
  readonly isSelf: boolean;
  readonly addresses: readonly string[];
  /** Absent until measured. */
  readonly rttMs?: number;
  /** Multiply-accumulates per second the peer measured of itself; 0 until measured. */
  readonly macsPerSecond: number;
  readonly models: readonly string[];
  readonly queueDepth: number;
  readonly activeRequests: number;
  readonly memoryBytes: number;
  /** Share of all its cores in use, 0 to 100. */
  readonly cpuPercent: number;
  readonly version: string;
  /** Milliseconds since the last sign of life; 0 for the peer itself. */
  readonly lastSeenMs: number;
}

/** One model that somebody in the mesh holds. */
export interface ModelView {
  readonly id: ModelId;
  readonly name: string;
  readonly description: string;
  readonly weights: WeightOrigin;
  readonly task: TaskKind;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Bytes of weights on this peer's disk. */
  readonly bytesHeld: number;
  readonly bytesTotal: number;
  /** When it was last asked for at this peer, or came here; Unix time. */
  readonly usedAtMs: number;
  /** When its weights went from this peer to make room for others, Unix time; absent when it was asked for since. */
  readonly evictedAtMs?: number;
  /** Bytes that this peer is to keep for the mesh and has not got yet. */
  readonly bytesMissing: number;
  readonly holders: readonly PeerId[];
}

/** What a request for a model is prepared by. */
export interface ModelTask {
  readonly id: ModelId;
  readonly name: string;
  readonly task: TaskSpec;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly weights: WeightOrigin;
}

/**
 * Told how far a long piece of work is; `total` is 0 where that is not known.
 *
 * @param coordinator the peer elected for the request, as soon as there is one.
 */
export type ProgressListener = (stage: string, completed: number, total: number, coordinator?: PeerId) => void;

/** What a model that is taken in is called, and what it is for. */
export interface ImportOptions {
  readonly name: string;
  /** `tensors` when absent. */
  readonly task?: TaskSpec;
  readonly description?: string;
}

/** One request to the mesh, its inputs as the graph declares them. */
export interface InferRequest {
  /** Absent: the peer makes one. Sent again, it brings the same answer, computed once. */
  readonly requestId?: RequestId;
  /** Who asks, so that clients are served alike; one and the same when absent. */
  readonly client?: string;
  /** Name or id. */
  readonly model: string;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Number of peers to cut the request over; 0 lets the planner choose. */
  readonly parallelism: number;
  /** Absent: the peer's default. */
  readonly deadlineMs?: number;
  /** Whether other peers confirm the answer before it is given. */
  readonly isVerified?: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** The outputs of a request by name, as the graph declares them, and what became of it. */
export interface InferResult {
  readonly requestId: RequestId;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly report: RunReport;
}

/** A model that a peer holds no more. */
export interface RemovedModel {
  readonly id: ModelId;
  readonly name: string;
  readonly bytesFreed: number;
  /** Other members that hold some of it. */
  readonly otherHolders: number;
}

/** What can be asked of a running peer. */
export interface PeerPort {
  readonly membership: MembershipPort;
  readonly self: {
    readonly id: PeerId;
    readonly name: string;
    readonly mesh: string;
    readonly version: string;
    /** What computes: `onnxruntime`, `wasm` or `reference`. */
    readonly kernel: string;
  };
  readonly insight: Insight;
  /** What is wrong with this peer itself, each with what to do. */
  troubles(): readonly string[];
  /** May take requests: joined, kernels up, not draining. */
  ready(): boolean;
  /** The members of its mesh as it sees them now, itself among them. */
  members(): readonly MemberView[];
  /** The models that anybody in the mesh holds; those of unreachable members may be missing. */
  models(): Promise<readonly ModelView[]>;
  /** @throws MeshError MODEL_NOT_FOUND. */
  taskOf(model: string): Promise<ModelTask>;
  /**
   * Takes in an ONNX file, all or nothing. `file` is temporary: it may be moved away, and is gone afterwards.
   * @throws MeshError INVALID_MODEL, CONFLICT, STORAGE_FAILED, CANCELLED.
   */
  importOnnx(
    file: string,
    options: ImportOptions,
    onProgress: ProgressListener,
    signal: AbortSignal,
  ): Promise<ModelView>;
  /** Why a request of this client would be refused now; undefined where it would be taken. */
  refusal(client: string): Failure | undefined;
  /** Fetches all weights of a model to this peer's disk. @throws MeshError MODEL_NOT_FOUND, STORAGE_FAILED, CANCELLED. */
  pull(model: string, onProgress: ProgressListener, signal: AbortSignal): Promise<ModelView>;
  /** Deletes a model from this peer's disk. @throws MeshError MODEL_NOT_FOUND, CONFLICT while it is in use, STORAGE_FAILED. */
  remove(model: string): Promise<RemovedModel>;
  /** @throws MeshError of any code. */
  infer(request: InferRequest): Promise<InferResult>;
  /**
   * Takes nothing new from now on and finishes what is in hand, until the deadline of the configuration; it stays a member.
   * Resolves to whether all was finished; what is left then is handed over when the peer stops.
   */
  drain(): Promise<boolean>;
}
