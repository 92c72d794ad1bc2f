/**
 * Keeps a process from ending while one of its threads is inside the runtime. Ending stops all threads where they are, and
 * stopped there the runtime aborts the process, with a core dump in place of its exit code. So every lane shares a word
 * with its thread that says whether the thread may enter; at exit the process takes that right away, waiting for threads
 * that are inside.
 */

const OUTSIDE = 0;
const INSIDE = 1;
const FORBIDDEN = 2;

/** A run takes seconds at most; longer than this no process waits for one. */
const EXIT_DEADLINE_MS = 10_000;

/** The word of one lane, shared between its thread and the rest of the process. */
export type ExitGuard = Int32Array<SharedArrayBuffer>;

const guards = new Set<ExitGuard>();

/** A guard for a new thread, honoured until `dropGuard`. */
export function createGuard(): ExitGuard {
  if (guards.size === 0) process.on('exit', forbidAll);
  const guard = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  guards.add(guard);
  return guard;
}

export function dropGuard(guard: ExitGuard): void {
  guards.delete(guard);
  if (guards.size === 0) process.off('exit', forbidAll);
}

/** Called in the thread: does `work`, unless the process is ending; then it never returns. */
export async function insideRuntime<T>(guard: ExitGuard, work: () => Promise<T>): Promise<T> {
  if (Atomics.compareExchange(guard, 0, OUTSIDE, INSIDE) === FORBIDDEN) return new Promise(() => undefined);
  try {
    return await work();
  } finally {
    Atomics.store(guard, 0, OUTSIDE);
    Atomics.notify(guard, 0);
  }
}

function forbidAll(): void {
  const deadline = performance.now() + EXIT_DEADLINE_MS;
  for (const guard of guards) {
    while (Atomics.compareExchange(guard, 0, OUTSIDE, FORBIDDEN) === INSIDE && performance.now() < deadline) {
      Atomics.wait(guard, 0, INSIDE, deadline - performance.now());
    }
  }
}
