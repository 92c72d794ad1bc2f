/**
 * What became of the requests at this peer, by model: counts, and time spent. Plain numbers, added up where the work is done and
 * read when somebody asks; what this peer computes for requests of other peers is not in them.
 */
import type { ModelId } from '../core/ids.ts';
import { tilesOf, type RunReport } from '../core/report.ts';

/** How often, and for how long altogether. */
export interface Spent {
  readonly count: number;
  readonly ns: number;
}

/** As the statistics extension of the Open Inference Protocol names them. */
export const STAGES = ['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output'] as const;
export type Stage = (typeof STAGES)[number];

export interface ModelStatistics {
  readonly id: ModelId;
  readonly name: string;
  /** Unix time of the last successful request; 0: none yet. */
  readonly lastInferenceMs: number;
  /** Samples answered: one for each request, or as many as its batch holds. */
  readonly inferences: number;
  readonly stages: Readonly<Record<Stage, Spent>>;
  /** Executions by number of samples. */
  readonly batches: ReadonlyMap<number, Spent>;
}

/** A model's sizes of batches beyond so many are not told apart. */
const MAX_BATCH_SIZES = 64;
const NS_PER_MS = 1e6;

interface Account extends ModelStatistics {
  lastInferenceMs: number;
  inferences: number;
  readonly stages: Record<Stage, { count: number; ns: number }>;
  readonly batches: Map<number, { count: number; ns: number }>;
}

const nothing = (): { count: number; ns: number } => ({ count: 0, ns: 0 });

function add(spent: { count: number; ns: number }, ms: number): void {
  spent.count++;
  spent.ns += Math.round(ms * NS_PER_MS);
}

export interface Execution {
  readonly samples: number;
  /** From the arrival at the mesh until work began. */
  readonly queueMs: number;
}

/** Of all requests that were answered, over all models. */
export interface Totals {
  readonly tiles: number;
  readonly attempts: number;
  readonly lostPeers: number;
  readonly bytesPeerToPeer: number;
  readonly bytesThroughEntry: number;
}

export class Statistics {
  readonly #totals = { tiles: 0, attempts: 0, lostPeers: 0, bytesPeerToPeer: 0, bytesThroughEntry: 0 };
  readonly #accounts = new Map<ModelId, Account>();

  /** In the order in which models were first asked for. */
  all(): readonly ModelStatistics[] {
    return [...this.#accounts.values()];
  }

  /** The same object at each call: it grows. */
  get totals(): Totals {
    return this.#totals;
  }

  of(id: ModelId, name: string): ModelStatistics {
    return this.#accounts.get(id) ?? open(id, name);
  }

  succeeded(name: string, report: RunReport, { samples, queueMs }: Execution): void {
    const { elapsedMs: inferMs } = report;
    const account = this.#account(report.modelId, name);
    this.#addReport(report);
    account.lastInferenceMs = Date.now();
    account.inferences += samples;
    add(account.stages.success, queueMs + inferMs);
    add(account.stages.queue, queueMs);
    add(account.stages.compute_infer, inferMs);
    let batch = account.batches.get(samples);
    if (batch === undefined && account.batches.size < MAX_BATCH_SIZES) {
      account.batches.set(samples, (batch = nothing()));
    }
    if (batch !== undefined) add(batch, inferMs);
  }

  failed(id: ModelId, name: string, ms: number): void {
    add(this.#account(id, name).stages.fail, ms);
  }

  /** Time beside the mesh: decoding what came in, encoding what goes out. It counts to the success, too. */
  converted(
    id: ModelId,
    name: string,
    { inputMs, outputMs }: { readonly inputMs: number; readonly outputMs: number },
  ): void {
    const { stages } = this.#account(id, name);
    add(stages.compute_input, inputMs);
    add(stages.compute_output, outputMs);
    stages.success.ns += Math.round((inputMs + outputMs) * NS_PER_MS);
  }

  #addReport(report: RunReport): void {
    const totals = this.#totals;
    totals.tiles += tilesOf(report);
    totals.attempts += report.attempts;
    totals.lostPeers += report.lostPeers.length;
    totals.bytesPeerToPeer += report.bytesPeerToPeer;
    totals.bytesThroughEntry += report.bytesThroughEntry;
  }

  #account(id: ModelId, name: string): Account {
    let account = this.#accounts.get(id);
    if (account === undefined) this.#accounts.set(id, (account = open(id, name)));
    return account;
  }
}

const open = (id: ModelId, name: string): Account => ({
  id,
  name,
  lastInferenceMs: 0,
  inferences: 0,
  stages: {
    success: nothing(),
    fail: nothing(),
    queue: nothing(),
    compute_input: nothing(),
    compute_infer: nothing(),
    compute_output: nothing(),
  },
  batches: new Map(),
});
