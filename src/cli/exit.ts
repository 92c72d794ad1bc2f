/** How a command ends: its exit code, and one line that says why. */
import { toMeshError } from '../core/errors.ts';
import { clean } from './text.ts';

export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

/** No peer answers at any of the addresses. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';

  constructor(url: string, cause: unknown) {
    super(`no peer answers at ${url}: start one with "npx tilemesh up" or name another with --api`, { cause });
  }
}

/** The command line itself is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const MAX_MESSAGE = 2000;

export function describeFailure(error: unknown): { readonly code: number; readonly line: string } {
  if (error instanceof UnreachableError) return { code: EXIT.unreachable, line: error.message };
  if (error instanceof UsageError) return { code: EXIT.usage, line: error.message };
  return { code: EXIT.failed, line: clean(toMeshError(error).message, MAX_MESSAGE) };
}
