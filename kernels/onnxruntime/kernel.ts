/**
 * The native kernel: ONNX Runtime in a pool of worker threads, called lanes. Every lane has its own sessions of all
 * prepared programs and runs one tile at a time, so that `lanes * threadsPerLane` cores are kept busy. Weights are mapped
 * from the weight file and shared between lanes by the operating system, but for those of convolutions, which the runtime
 * reorders into memory of each lane.
 */
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { Program } from '../../src/core/program/program.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import { abandonable, throwIfCancelled } from '../abandonable.ts';
import type { Kernel, KernelRun, WeightFile } from '../kernel.ts';
import { checkWeightFile } from '../weight-slice.ts';
import { Lane, spawnWorker, type SpawnWorker } from './lane.ts';
import { defineSession } from './session-definition.ts';

export interface OnnxRuntimeOptions {
  /** Tiles run at the same time. */
  readonly lanes: number;
  /** Threads that one tile is run with. */
  readonly threadsPerLane: number;
  /** Runs that may wait for a lane; one more is refused with OVERLOADED. */
  readonly maxQueuedRuns: number;
}

export const ONNX_RUNTIME_DEFAULTS: OnnxRuntimeOptions = Object.freeze({
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

/** @param spawn starts the thread of a lane; given by tests only. */
export const createOnnxRuntimeKernel = (
  options: Partial<OnnxRuntimeOptions> = {},
  spawn: SpawnWorker = spawnWorker,
): Kernel => new OnnxRuntimeKernel({ ...ONNX_RUNTIME_DEFAULTS, ...options }, spawn);

class OnnxRuntimeKernel implements Kernel {
  readonly name = 'onnxruntime';
  readonly #lanes: readonly Lane[];
  readonly #idle: Lane[];
  readonly #maxQueuedRuns: number;
  readonly #programs = new Map<string, Entry>();
  readonly #queue: Job[] = [];
  #sessionCount = 0;
  #closing: Promise<void> | null = null;

  constructor({ lanes, threadsPerLane, maxQueuedRuns }: OnnxRuntimeOptions, spawn: SpawnWorker) {
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
    const definition = defineSession(session, program, weights);
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
        .then(outcome.resolve, (error: unknown) => outcome.reject(toMeshError(error, 'KERNEL_FAILED')))
        .finally(() => {
          this.#idle.push(lane);
          this.#dispatch();
        });
    }
  }
}

const closedError = (): MeshError => new MeshError('KERNEL_FAILED', 'the kernel is closed; ask another peer');
