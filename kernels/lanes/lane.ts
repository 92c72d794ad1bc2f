/**
 * One worker thread, or process in its place, and the requests under way in it. One that dies is replaced when it is needed
 * next.
 */
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { MeshError } from '../../src/core/errors.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import type { KernelRun } from '../kernel.ts';
import { toTransfer } from '../transfer.ts';
import { createGuard, dropGuard } from './exit-guard.ts';
import { THREAD_NAME, type Command, type LaneSetup, type Reply, type Request } from './messages.ts';
import type { SessionDefinition } from './session-definition.ts';

interface Pending extends PromiseWithResolvers<KernelRun | undefined> {
  /** To be given again to the next one, where it can be and has not been yet. */
  readonly command: Command | null;
}

/** What a lane needs of its thread. */
export interface LaneWorker {
  /** Whether what it is given stays with the giver, who can give it again. */
  readonly copies?: boolean;
  on(event: 'message', listener: (reply: Reply) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'exit', listener: (code: number) => void): unknown;
  once(event: 'exit', listener: () => void): unknown;
  postMessage(request: Request, transfer?: readonly ArrayBuffer[]): void;
  unref(): void;
}

export type SpawnWorker = (options: WorkerOptions) => LaneWorker;

/** Starts the `worker` module that lies beside another one. @param beside that module's `import.meta.url`. */
export const workerBeside = (beside: string): SpawnWorker => {
  const script = new URL(beside.endsWith('.ts') ? './worker.ts' : './worker.js', beside);
  return (options) => new Worker(script, options);
};

/** A run takes seconds at most; a thread that does not end is left to the end of the process. */
const CLOSE_DEADLINE_MS = 60_000;

export class Lane {
  readonly #threads: number;
  readonly #spawn: SpawnWorker;
  readonly #pending = new Map<number, Pending>();
  /** What the thread has open, so that one in its place can open it again. */
  readonly #prepared = new Map<string, SessionDefinition>();
  #worker: LaneWorker | null = null;
  #nextId = 0;

  constructor(threads: number, spawn: SpawnWorker) {
    this.#threads = threads;
    this.#spawn = spawn;
  }

  async prepare(definition: SessionDefinition): Promise<void> {
    await this.#request({ kind: 'prepare', definition });
    this.#prepared.set(definition.session, definition);
  }

  /** Runs a prepared program. The buffers of `inputs` are transferred. */
  async run(session: string, inputs: ReadonlyMap<string, Tensor>): Promise<KernelRun> {
    const result = await this.#request({ kind: 'run', session, inputs });
    if (result === undefined) throw new MeshError('INTERNAL', 'a lane answered a run without its outputs');
    return result;
  }

  async release(session: string): Promise<void> {
    this.#prepared.delete(session);
    if (this.#worker !== null) await this.#request({ kind: 'release', session });
  }

  /**
   * Fails the requests under way, and ends the thread as soon as what it is running has ended. It is never terminated from
   * outside: a thread that is stopped inside the runtime takes the whole process down.
   */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    this.#lose('the kernel was closed');
    const exit = Promise.withResolvers<void>();
    const giveUp = setTimeout(() => exit.resolve(), CLOSE_DEADLINE_MS);
    worker.once('exit', () => exit.resolve());
    worker.postMessage({ id: this.#nextId++, command: { kind: 'close' } } satisfies Request);
    await exit.promise;
    clearTimeout(giveUp);
    worker.unref();
  }

  #request(command: Command, isAgain = false): Promise<KernelRun | undefined> {
    const worker = this.#worker ?? this.#start();
    return this.#post(worker, command, isAgain);
  }

  #post(worker: LaneWorker, command: Command, isAgain = false): Promise<KernelRun | undefined> {
    const id = this.#nextId++;
    const { tensors, buffers } = toTransfer(command.kind === 'run' ? command.inputs : new Map());
    const request: Request = { id, command: command.kind === 'run' ? { ...command, inputs: tensors } : command };
    worker.postMessage(request, [...buffers]);
    const outcome = Promise.withResolvers<KernelRun | undefined>();
    this.#pending.set(id, { ...outcome, command: worker.copies === true && !isAgain ? command : null });
    return outcome.promise;
  }

  #start(): LaneWorker {
    const guard = createGuard();
    const worker = this.#spawn({
      name: THREAD_NAME,
      workerData: { threads: this.#threads, guard } satisfies LaneSetup,
    });
    this.#worker = worker;
    worker.on('message', (reply: Reply) => this.#settle(reply));
    worker.on('error', (error) => {
      if (this.#worker === worker) this.#replace(`its thread failed: ${String(error)}`, error);
    });
    worker.on('exit', (code) => {
      dropGuard(guard);
      if (this.#worker === worker) this.#replace(`its thread ended with code ${code}`);
    });
    for (const definition of this.#prepared.values()) {
      // A program that can no longer be prepared fails when it is run, which names it.
      this.#post(worker, { kind: 'prepare', definition }, true).catch(() => undefined);
    }
    return worker;
  }

  #settle(reply: Reply): void {
    const outcome = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.ok) outcome?.resolve(reply.run);
    else outcome?.reject(new MeshError(reply.code, reply.message));
  }

  #lose(reason: string, cause?: unknown): void {
    this.#worker = null;
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    fail(lost, reason, cause);
  }

  /** What was lost with the worker is given once more, to another one. */
  #replace(reason: string, cause?: unknown): void {
    this.#worker = null;
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    fail(
      lost.filter(({ command }) => command === null),
      reason,
      cause,
    );
    for (const { command, resolve, reject } of lost) {
      if (command !== null) this.#request(command, true).then(resolve, reject);
    }
  }
}

function fail(pending: readonly Pending[], reason: string, cause: unknown): void {
  for (const { reject } of pending) {
    reject(new MeshError('KERNEL_FAILED', `the kernel lost a run: ${reason}; try again`, { cause }));
  }
}
