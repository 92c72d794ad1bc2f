/**
 * Every failure that tilemesh reports on purpose. A `MeshError` carries a stable `code`, a message that says what to do,
 * and `details` that survive a trip over the wire. Callers branch on `code`, never on message text.
 */

/** What each code means to whoever receives it: the HTTP status it maps to, and whether trying again may help. */
export const ERROR_CODES = {
  INVALID_ARGUMENT: { status: 400, isRetryable: false },
  INVALID_MODEL: { status: 400, isRetryable: false },
  INVALID_INPUT: { status: 400, isRetryable: false },
  INVALID_CONFIG: { status: 400, isRetryable: false },
  INVALID_MESSAGE: { status: 400, isRetryable: false },
  UNAUTHORIZED: { status: 401, isRetryable: false },
  FORBIDDEN: { status: 403, isRetryable: false },
  NOT_A_MEMBER: { status: 403, isRetryable: false },
  RATE_LIMITED: { status: 429, isRetryable: true },
  UNSUPPORTED_MEDIA: { status: 415, isRetryable: false },
  MODEL_NOT_FOUND: { status: 404, isRetryable: false },
  NOT_FOUND: { status: 404, isRetryable: false },
  CONFLICT: { status: 409, isRetryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, isRetryable: false },
  OVERLOADED: { status: 503, isRetryable: true },
  UNAVAILABLE: { status: 503, isRetryable: true },
  STALE_TERM: { status: 409, isRetryable: false },
  LEASE_LAPSED: { status: 503, isRetryable: true },
  PEER_LOST: { status: 503, isRetryable: true },
  DEADLINE_EXCEEDED: { status: 504, isRetryable: true },
  CANCELLED: { status: 499, isRetryable: false },
  KERNEL_FAILED: { status: 500, isRetryable: true },
  DATA_FOLDER_IN_USE: { status: 500, isRetryable: false },
  PORT_IN_USE: { status: 500, isRetryable: false },
  STORAGE_FAILED: { status: 507, isRetryable: false },
  INTERNAL: { status: 500, isRetryable: false },
} as const satisfies Record<string, { readonly status: number; readonly isRetryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

/** What an error says, without the place where it was made: to find that takes longer than a refusal may. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

/** An error with a stable code, a message that tells the reader what to do, and serialisable details. */
export class MeshError extends Error implements Failure {
  override readonly name = 'MeshError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get isRetryable(): boolean {
    return ERROR_CODES[this.code].isRetryable;
  }
}

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERROR_CODES, value);
}

/** Anything thrown, as a `MeshError`; what was not one becomes `fallback` with the original as its cause. */
export function toMeshError(error: unknown, fallback: ErrorCode = 'INTERNAL'): MeshError {
  if (error instanceof MeshError) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new MeshError('CANCELLED', 'the operation was cancelled', { cause: error });
  }
  return new MeshError(fallback, error instanceof Error ? error.message : String(error), { cause: error });
}
