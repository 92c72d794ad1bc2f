/** How a command ends: its exit code, and one line that says why. */
import { toMeshError } from '../core/errors.ts';
import { howToStart } from './service.ts';
import { clean } from './text.ts';

/** How `health` and `doctor` end. */
export const LEVEL_EXIT = { fine: 0, degraded: 1, critical: 2 } as const;

export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

/** No peer answers at any of the addresses. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';

  constructor(url: string, cause: unknown) {
    super(whyUnreachable(url, cause), { cause });
  }
}

/** What Node says of certificates that are not to be trusted, or not those of this name. */
const DISTRUST = /CERT|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/;

/** The error at the bottom of the others. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  return 'code' in error ? String(error.code) : codeOf(error.cause);
}

function whyUnreachable(url: string, cause: unknown): string {
  const code = codeOf(cause);
  if (code === 'CERT_HAS_EXPIRED') return `the certificate of ${url} is out of date: renew it there`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of ${url} is for other names: name the peer with --api as it does`;
  }
  if (DISTRUST.test(code)) {
    return `the certificate of ${url} is not trusted (${code}): name its authority with --ca FILE`;
  }
  if (code.startsWith('ERR_SSL_')) return `what answers at ${url} does not speak TLS (${code}): try http://`;
  return `no peer answers at ${url}: start one with "${howToStart()}" or name another with --api`;
}

/** All is said; the exit code says how it stands. */
export class ExitWith extends Error {
  override readonly name = 'ExitWith';
  readonly code: number;

  constructor(code: number) {
    super(`exit code ${code}`);
    this.code = code;
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
