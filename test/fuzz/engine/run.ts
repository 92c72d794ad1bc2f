/** Fuzzes parsers, each in a thread of its own with bounded memory, and ends those that do not come back from an input. */
import { Worker } from 'node:worker_threads';
import type { Outcome } from './campaign.ts';
import { violationOf } from './examine.ts';
import type { MemoryUse } from './memory.ts';
import type { Violation } from './parser.ts';

/** Longer than any input may take, on a machine that has other things to do. */
const STUCK_MS = 120_000;
const LOOK_MS = 500;
const MAX_HEAP_MIB = 1024;
/** Little, so that what is thrown away soon does not look like what is held. */
const MAX_YOUNG_MIB = 4;
const SHOWN_BYTES = 1 << 20;

/** What the thread is told. */
export interface Task {
  /** Address of the module that exports `PARSERS`. */
  readonly table: string;
  /** Of the parser. */
  readonly name: string;
  readonly inputs: number;
  readonly seed: number;
  readonly isGuided: boolean;
  readonly corpus: readonly Uint8Array[];
  /** Length of the input in hand, how many there were, and its bytes. */
  readonly current: SharedArrayBuffer;
}

export interface Result extends Outcome, Omit<MemoryUse, 'violations'> {
  readonly parser: string;
}

const NOTHING = { inputs: 0, understood: 0, refused: 0, blocks: 0, corpus: [], kept: [0, 0], passing: [0, 0] } as const;

/** @param stuckMs after which an input counts as one without an end. */
export function fuzz(task: Omit<Task, 'current'>, stuckMs = STUCK_MS): Promise<Result> {
  const current = new SharedArrayBuffer(8 + SHOWN_BYTES);
  const [length, count] = [new Int32Array(current, 0, 1), new Int32Array(current, 4, 1)];
  const thread = new Worker(new URL('thread.ts', import.meta.url), {
    workerData: { ...task, current } satisfies Task,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB, maxYoungGenerationSizeMb: MAX_YOUNG_MIB },
  });
  return new Promise((resolve) => {
    const ended = (kind: Violation['kind'], message: string): void => {
      const input = new Uint8Array(current, 8, length[0]).slice();
      done({
        ...NOTHING,
        parser: task.name,
        inputs: count[0]!,
        violations: [violationOf(task.name, kind, message, input)],
      });
    };
    let [seen, seenAt] = [0, performance.now()];
    const timer = setInterval(() => {
      const now = performance.now();
      if (count[0] !== seen) [seen, seenAt] = [count[0]!, now];
      else if (now - seenAt > stuckMs) ended('stuck', `no end within ${stuckMs} ms`);
    }, LOOK_MS);
    const done = (result: Result): void => {
      clearInterval(timer);
      thread.removeAllListeners();
      thread.on('error', () => undefined);
      void thread.terminate();
      resolve(result);
    };
    thread.on('message', done);
    thread.on('error', (error: Error) => ended('exit', `the thread ended: ${error.stack ?? error.message}`));
    thread.on('exit', (code) => ended('exit', `the thread ended with ${code}`));
  });
}
