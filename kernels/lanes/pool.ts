/**
 * A kernel that is a pool of worker threads, called lanes. A runtime blocks its thread for as long as it computes, hence
 * threads. Every lane has its own sessions of all prepared programs and runs one tile at a time.
 */
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { Program } from '../../src/core/program/program.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import { abandonable, throwIfCancelled } from '../abandonable.ts';
import type { Kernel, KernelRun, WeightFile } from '../kernel.ts';
import { checkWeightFile } from '../weight-slice.ts';
import { Lane, type SpawnWorker } from './lane.ts';
import { defineSession, type WeightAccess } from './session-definition.ts';

/** What sets one runtime apart from another. */
export interface Backend {
  /** The kernel's name. */
  readonly name: string;
  /** Starts the thread of a lane, which serves it with this runtime. */
  readonly spawn: SpawnWorker;
  readonly weightAccess: WeightAccess;
  readonly memoryBytes: number;
}

export interface PoolOptions {
  /** Tiles run at the same time. */
  readonly lanes: number;
  /** Threads that one tile is run with. */
  readonly threadsPerLane: number;
  /** Runs that may wait for a lane; one more is refused with OVERLOADED. */
  readonly maxQueuedRuns: number;
}

export const POOL_DEFAULTS: PoolOptions = Object.freeze({
  lanes: 1,
  threadsPerLane: 1,
  maxQueuedRuns: 1024,
});

interface Entry {
  readonly session: string;
  readonly ready: Promise<void>;
  isReady: boolean;
  /** Calls of `prepare` that are waiting for it. */
  waiting: number;
}

interface Job {
  readonly session: string;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outcome: PromiseWithResolvers<KernelRun>;
}

export class LanePool implements Kernel {
  readonly name: string;
  readonly memoryBytes: number;
  readonly #weightAccess: WeightAccess;
  readonly #lanes: readonly Lane[];
  readonly #idle: Lane[];
  readonly #maxQueuedRuns: number;
  readonly #programs = new Map<string, Entry>();
  readonly #queue: Job[] = [];
  #sessionCount = 0;
  #closing: Promise<void> | null = null;

  constructor(backend: Backend, options: Partial<PoolOptions>) {
    const { lanes, threadsPerLane, maxQueuedRuns } = { ...POOL_DEFAULTS, ...options };
    const { name, spawn, weightAccess, memoryBytes } = backend;
    this.name = name;
    this.memoryBytes = memoryBytes;
    this.#weightAccess = weightAccess;
    this.#lanes = Array.from({ length: lanes }, () => new Lane(threadsPerLane, spawn));
    this.#idle = [...this.#lanes];
    this.#maxQueuedRuns = maxQueuedRuns;
  }

  async prepare(program: Program, weights: WeightFile | null, signal: AbortSignal): Promise<void> {
    throwIfCancelled(signal);
    this.#throwIfClosed();
    const entry = this.#programs.get(program.key) ?? this.#addEntry(program, weights);
    entry.waiting++;
    try {
      await abandonable(entry.ready, signal);
    } finally {
      entry.waiting--;
      // Nobody waits for it any more, so nobody would release it either.
      if (signal.aborted && entry.waiting === 0 && !entry.isReady) void this.release(program.key);
    }
  }

  async run(key: string, inputs: ReadonlyMap<string, Tensor>, signal: AbortSignal): Promise<KernelRun> {
    throwIfCancelled(signal);
    this.#throwIfClosed();
    const entry = this.#programs.get(key);
    if (entry?.isReady !== true) {
      throw new MeshError('KERNEL_FAILED', `program ${key} is not prepared; prepare it before running it`);
    }
    if (this.#queue.length >= this.#maxQueuedRuns) {
      throw new MeshError('OVERLOADED', `${this.#queue.length} runs are waiting for a lane; try again later`);
    }
    const job: Job = { session: entry.session, inputs, outcome: Promise.withResolvers<KernelRun>() };
    this.#queue.push(job);
    this.#dispatch();
    try {
      return await abandonable(job.outcome.promise, signal);
    } finally {
      const position = this.#queue.indexOf(job);
      if (position >= 0) this.#queue.splice(position, 1);
    }
  }

  async release(key: string): Promise<void> {
    const entry = this.#programs.get(key);
    if (entry === undefined) return;
    this.#programs.delete(key);
    await Promise.allSettled([entry.ready]);
    await Promise.allSettled(this.#lanes.map((lane) => lane.release(entry.session)));
  }

  /** Waits for runs under way, whose results are lost. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#programs.clear();
    for (const { outcome } of this.#queue.splice(0)) outcome.reject(closedError());
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  #throwIfClosed(): void {
    if (this.#closing !== null) throw closedError();
  }

  #addEntry(program: Program, weights: WeightFile | null): Entry {
    const session = `${program.key}#${this.#sessionCount++}`;
    const entry: Entry = { session, ready: this.#open(session, program, weights), isReady: false, waiting: 0 };
    this.#programs.set(program.key, entry);
    entry.ready.then(
      () => (entry.isReady = true),
      () => {
        if (this.#programs.get(program.key) === entry) this.#programs.delete(program.key);
      },
    );
    return entry;
  }

  async #open(session: string, program: Program, weights: WeightFile | null): Promise<void> {
    await checkWeightFile(program, weights);
    this.#throwIfClosed();
    const definition = defineSession(session, program, weights, this.#weightAccess);
    const outcomes = await Promise.allSettled(this.#lanes.map((lane) => lane.prepare(definition)));
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure === undefined) return;
    await Promise.allSettled(this.#lanes.map((lane) => lane.release(session)));
    throw toMeshError(failure.reason, 'KERNEL_FAILED');
  }

  #dispatch(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const lane = this.#idle.shift()!;
      const { session, inputs, outcome } = this.#queue.shift()!;
      lane
        .run(session, inputs)
        .then(
          (run) => outcome.resolve({ ...run, lane: this.#lanes.indexOf(lane) }),
          (error: unknown) => outcome.reject(toMeshError(error, 'KERNEL_FAILED')),
        )
        .finally(() => {
          this.#idle.push(lane);
          this.#dispatch();
        });
    }
  }
}

const closedError = (): MeshError => new MeshError('KERNEL_FAILED', 'the kernel is closed; ask another peer');
