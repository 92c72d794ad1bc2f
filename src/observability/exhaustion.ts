/**
 * A peer outlives it when nothing more can be opened. Libraries that ask the system for something now and then, such as its
 * network interfaces, do so on timers of their own, where nobody can catch what is thrown; they ask again later.
 */
import { constants } from 'node:os';

const CODES: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE']);
const NUMBERS: ReadonlySet<unknown> = new Set([constants.errno.EMFILE, constants.errno.ENFILE]);
const QUIET_MS = 60_000;

/** Whether something failed only because there is no file descriptor left, of the process or of the system. */
export function isExhaustion(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, info } = error as { readonly code?: unknown; readonly info?: { readonly errno?: unknown } };
  return CODES.has(code) || NUMBERS.has(info?.errno) || (error.cause !== undefined && isExhaustion(error.cause));
}

/** @param say told once a minute. @returns what to do with what nobody caught: anything else is thrown again, and ends the process. */
export function outliveExhaustion(say: (message: string) => void, now: () => number): (error: unknown) => void {
  let saidMs = -Infinity;
  return (error) => {
    if (!isExhaustion(error)) throw error;
    if (now() - saidMs < QUIET_MS) return;
    saidMs = now();
    say(`no file descriptor is left: raise the limit (ulimit -n): ${(error as Error).message}`);
  };
}
