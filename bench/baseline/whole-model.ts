/** ONNX Runtime on a whole model: what the mesh is compared with, in its times and in its answers. */
import { spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readNpy, writeNpy } from '../../models/tasks/npy.ts';
import { MeshError } from '../../src/core/errors.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import { stopProcess } from '../emulation/board.ts';
import type { BenchModel } from '../model.ts';

/** `mesh`: as the kernel of the mesh does, so that the same arithmetic is compared; `default`: the runtime's own way. */
export type Prepacking = 'mesh' | 'default';

export interface Times {
  readonly wallMs: readonly number[];
  /** Processor time of the whole process meanwhile. */
  readonly cpuMs: readonly number[];
}

/** A series ends when it has both. */
export interface RunLimits {
  readonly minRuns: number;
  readonly minTotalMs: number;
}

export interface NamedArray {
  readonly name: string;
  /** In base64. */
  readonly npy: string;
}

export type Command =
  | {
      readonly kind: 'open';
      readonly prepacking: Prepacking;
      readonly optimisation: 'all' | 'disabled';
      readonly inputs: readonly NamedArray[];
    }
  | ({ readonly kind: 'run' } & RunLimits)
  | { readonly kind: 'outputs' };

export interface Reply {
  readonly times?: Times;
  readonly outputs?: readonly NamedArray[];
  readonly failure?: string;
}

const SCRIPT = fileURLToPath(new URL('./whole-model-process.ts', import.meta.url));
const REPLY_TIMEOUT_MS = 600_000;

export class WholeModel {
  readonly #model: BenchModel;
  readonly #lines: AsyncIterator<string>;
  readonly #write: (line: string) => void;
  readonly #stop: () => Promise<void>;
  readonly #signal: AbortSignal;

  /**
   * Starts the process; `open` comes first.
   * @param prefix the words before its command, which put it on a core or into a control group.
   */
  constructor(model: BenchModel, prefix: readonly string[], signal: AbortSignal) {
    const [program, ...args] = [...prefix, process.execPath, SCRIPT, model.folder];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    const lines: Interface = createInterface({ input: child.stdout });
    child.once('error', () => lines.close());
    child.stdin.on('error', () => lines.close());
    this.#model = model;
    this.#lines = lines[Symbol.asyncIterator]();
    this.#write = (line) => child.stdin.write(line);
    this.#stop = () => stopProcess(child);
    this.#signal = signal;
  }

  /** Opens a session in place of the one before, if any. */
  async open(prepacking: Prepacking, optimisation: 'all' | 'disabled' = 'all'): Promise<void> {
    const inputs = [...this.#model.inputs].map(([name, tensor]) => ({
      name,
      npy: Buffer.from(writeNpy(tensor)).toString('base64'),
    }));
    await this.#ask({ kind: 'open', prepacking, optimisation, inputs });
  }

  /** Times of runs, one after the other. */
  async run(limits: RunLimits): Promise<Times> {
    const { times } = await this.#ask({ kind: 'run', ...limits });
    return times!;
  }

  async outputs(): Promise<ReadonlyMap<string, Tensor>> {
    const { outputs } = await this.#ask({ kind: 'outputs' });
    return new Map(
      outputs!.map(({ name, npy }) => [name, readNpy(new Uint8Array(Buffer.from(npy, 'base64')))] as const),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop();
  }

  async #ask(command: Command): Promise<Reply> {
    this.#write(`${JSON.stringify(command)}\n`);
    const limit = AbortSignal.any([this.#signal, AbortSignal.timeout(REPLY_TIMEOUT_MS)]);
    const ended = Promise.withResolvers<never>();
    const giveUp = (): void => ended.reject(limit.reason);
    if (limit.aborted) giveUp();
    limit.addEventListener('abort', giveUp, { once: true });
    try {
      const line = await Promise.race([this.#lines.next(), ended.promise]);
      if (line.done === true) throw new MeshError('UNAVAILABLE', 'the process that runs the whole model has ended');
      const reply = JSON.parse(line.value) as Reply;
      if (reply.failure !== undefined) throw new MeshError('KERNEL_FAILED', reply.failure);
      return reply;
    } finally {
      limit.removeEventListener('abort', giveUp);
    }
  }
}
