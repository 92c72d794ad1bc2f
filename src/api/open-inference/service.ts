/**
 * The Open Inference Protocol apart from how it travels: HTTP and gRPC ask here. Errors are `MeshError`s.
 * https://github.com/open-inference/open-inference-protocol, with the extensions of Triton that `EXTENSIONS` lists.
 */
import { MeshError } from '../../core/errors.ts';
import type { ValueInfo } from '../../core/graph/graph.ts';
import type { RequestId } from '../../core/ids.ts';
import type { RunReport } from '../../core/report.ts';
import type { Tensor } from '../../core/tensor/tensor.ts';
import type { ModelTask } from '../port.ts';
import type { ServedPeer } from '../served-peer.ts';
import { STAGES, type ModelStatistics, type Spent, type Stage, type Statistics } from '../statistics.ts';
import { classified } from './classification.ts';
import { DATATYPES } from './datatypes.ts';
import { prepareInputs } from './inputs.ts';
import { runOptions, type Question, type WantedOutput } from './question.ts';
import { findModel, noVersion, type Repository } from './repository.ts';
import type { Value } from './values.ts';

export const EXTENSIONS = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'model_repository',
  'parameters',
  'statistics',
] as const;

const PLATFORM = 'onnx_tilemesh';

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** -1 for extents that each request chooses. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  /** A model's only version is its id: another content is another model. */
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  readonly properties: Readonly<Record<'description' | 'task' | 'weights', string>>;
}

export interface Inference {
  readonly model: string;
  /** Absent or empty: whichever there is. */
  readonly version?: string;
  /** Sent again, it brings the same answer, computed once. */
  readonly requestId?: RequestId;
  /** Used where the question's parameters name none. */
  readonly deadlineMs?: number;
  readonly signal: AbortSignal;
  /** Requests of one client wait in one line. */
  readonly client?: string;
}

/** Milliseconds at this peer, beside the mesh. */
export interface Timing {
  readonly inputMs: number;
  readonly inferMs: number;
  readonly outputMs: number;
}

export interface Reply {
  readonly requestId: RequestId;
  readonly report: RunReport;
  readonly outputs: ReadonlyMap<string, Value>;
  readonly timing: Timing;
}

/** One element of the statistics extension; its durations are in nanoseconds. */
export interface StatisticsEntry {
  readonly name: string;
  readonly version: string;
  readonly last_inference: number;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<Stage | 'cache_hit' | 'cache_miss', Spent>>;
  readonly batch_stats: readonly { readonly batch_size: number; readonly compute_infer: Spent }[];
}

export class InferenceService {
  readonly #peer: ServedPeer;
  readonly #statistics: Statistics;
  readonly repository: Repository;

  constructor(peer: ServedPeer, statistics: Statistics, repository: Repository) {
    this.#peer = peer;
    this.#statistics = statistics;
    this.repository = repository;
  }

  serverMetadata(): { readonly name: string; readonly version: string; readonly extensions: readonly string[] } {
    return { name: 'tilemesh', version: this.#peer.self.version, extensions: EXTENSIONS };
  }

  isReady(): boolean {
    return this.#peer.ready();
  }

  /** @throws MeshError MODEL_NOT_FOUND. */
  async isModelReady(model: string, version?: string): Promise<boolean> {
    const { name } = await findModel(this.#peer, model, version);
    return this.#peer.ready() && !this.#peer.unloaded.has(name);
  }

  /** @throws MeshError MODEL_NOT_FOUND. */
  async modelMetadata(model: string, version?: string): Promise<ModelMetadata> {
    const { name, id, inputs, outputs, ...found } = await findModel(this.#peer, model, version);
    return {
      name,
      versions: [id],
      platform: PLATFORM,
      inputs: inputs.map(tensorMetadata),
      outputs: outputs.map(tensorMetadata),
      properties: { description: found.description, task: found.task, weights: found.weights },
    };
  }

  /** Of one model, or of all that were asked for since the peer started. @throws MeshError MODEL_NOT_FOUND. */
  async statistics(model = '', version = ''): Promise<readonly StatisticsEntry[]> {
    if (model === '') return this.#statistics.all().map(statisticsEntry);
    const { id, name } = await findModel(this.#peer, model, version);
    return [statisticsEntry(this.#statistics.of(id, name))];
  }

  /** @throws MeshError of any code. */
  async infer(question: Question, { model, version = '', signal, ...options }: Inference): Promise<Reply> {
    const startedAt = performance.now();
    const run = runOptions(question.parameters);
    const found = await this.#peer.taskOf(model);
    if (version !== '' && version !== found.id) throw noVersion(model, version, found.id);
    assertOutputs(question.outputs, found);
    const inputs = await prepareInputs(question.inputs, found);
    const preparedAt = performance.now();
    const { requestId, outputs, report } = await this.#peer.infer({ ...options, ...run, model, inputs, signal });
    const inferredAt = performance.now();
    const chosen = choose(outputs, question.outputs, found);
    const timing = {
      inputMs: preparedAt - startedAt,
      inferMs: inferredAt - preparedAt,
      outputMs: performance.now() - inferredAt,
    };
    this.#statistics.converted(found.id, found.name, timing);
    return { requestId, report, outputs: chosen, timing };
  }
}

const tensorMetadata = ({ name, type, dims }: ValueInfo): TensorMetadata => ({
  name,
  datatype: DATATYPES[type],
  shape: dims.map((extent) => (typeof extent === 'number' ? extent : -1)),
});

/** Names are looked at before anything is computed. */
function assertOutputs(wanted: readonly WantedOutput[] | undefined, { outputs }: ModelTask): void {
  const known = outputs.map(({ name }) => name);
  const unknown = wanted?.find(({ name }) => !known.includes(name));
  if (unknown === undefined) return;
  throw new MeshError(
    'INVALID_ARGUMENT',
    `the model has no output "${unknown.name}": its outputs are ${known.join(', ')}`,
  );
}

function choose(
  outputs: ReadonlyMap<string, Tensor>,
  wanted: readonly WantedOutput[] | undefined,
  { task }: ModelTask,
): ReadonlyMap<string, Value> {
  if (wanted === undefined) return outputs;
  return new Map(
    wanted.map(({ name, classes }) => {
      const tensor = outputs.get(name);
      if (tensor === undefined) throw new MeshError('KERNEL_FAILED', `the mesh brought no output "${name}": try again`);
      const labels = 'labels' in task && 'output' in task && task.output === name ? task.labels : [];
      return [name, classes === undefined ? tensor : classified(name, tensor, classes, labels)];
    }),
  );
}

const NEVER: Spent = { count: 0, ns: 0 };

const statisticsEntry = ({ id, name, stages, batches, ...account }: ModelStatistics): StatisticsEntry => ({
  name,
  version: id,
  last_inference: account.lastInferenceMs,
  inference_count: account.inferences,
  execution_count: stages.compute_infer.count,
  inference_stats: {
    ...(Object.fromEntries(STAGES.map((stage) => [stage, stages[stage]])) as Record<Stage, Spent>),
    cache_hit: NEVER,
    cache_miss: NEVER,
  },
  batch_stats: [...batches].map(([size, compute]) => ({ batch_size: size, compute_infer: compute })),
});

/** What a reply says of how it came about, in both forms of the protocol. */
export const replyParameters = ({ requestId, report }: Reply): Readonly<Record<string, string | number>> => ({
  request_id: requestId,
  coordinator: report.coordinator,
  term: report.term,
  elapsed_ms: report.elapsedMs,
  cut: report.cut,
  entry: report.entry,
});
