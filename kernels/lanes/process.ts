/**
 * A lane in a process of its own: what crashes in the native runtime then ends that process, and the tile that was computed
 * is computed again in another. Tensors are copied through a pipe on both ways, where those of a thread change hands.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LaneWorker, SpawnWorker } from './lane.ts';
import { inOwnMemory } from '../transfer.ts';
import type { LaneSetup, Reply, Request } from './messages.ts';

/** Settings of the peer, its secrets among them, are none of its business. */
const isForKernels = ([name]: readonly [string, unknown]): boolean => !name.startsWith('TILEMESH_');

class LaneProcess extends EventEmitter implements LaneWorker {
  readonly copies = true;
  readonly #child: ChildProcess;

  constructor(script: URL, { threads }: LaneSetup) {
    super();
    this.#child = fork(fileURLToPath(script), [String(threads)], {
      serialization: 'advanced',
      env: Object.fromEntries(Object.entries(process.env).filter(isForKernels)),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (reply: Reply) => {
      const run = reply.ok ? reply.run : undefined;
      this.emit('message', run ? { ...reply, run: { ...run, outputs: inOwnMemory(run.outputs) } } : reply);
    });
    this.#child.on('error', (error) => this.emit('error', error));
    this.#child.on('exit', (code, signal) => {
      if (signal !== null) this.emit('error', new Error(`${signal} ended its process`));
      this.emit('exit', code ?? 1);
    });
  }

  /** What cannot be sent any more is lost with the process, whose end is told. */
  postMessage(request: Request): void {
    this.#child.send(request, () => undefined);
  }

  unref(): void {
    this.#child.unref();
    this.#child.channel?.unref();
  }
}

/** Starts the `worker` module that lies beside another one as a process. @param beside that module's `import.meta.url`. */
export const processBeside = (beside: string): SpawnWorker => {
  const script = new URL(beside.endsWith('.ts') ? './worker.ts' : './worker.js', beside);
  return ({ workerData }) => new LaneProcess(script, workerData as LaneSetup);
};
