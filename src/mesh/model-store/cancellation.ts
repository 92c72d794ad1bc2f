/** Abort signals as errors of the mesh. */
import { MeshError } from '../../core/errors.ts';

export const neverAborted: AbortSignal = new AbortController().signal;

/** Why an aborted signal was aborted; a time-out is a deadline. */
export function cancellation(signal: AbortSignal): MeshError {
  const reason: unknown = signal.reason;
  if (reason instanceof MeshError) return reason;
  return reason instanceof Error && reason.name === 'TimeoutError'
    ? new MeshError('DEADLINE_EXCEEDED', 'the operation took too long: try again', { cause: reason })
    : new MeshError('CANCELLED', 'the operation was cancelled', { cause: reason });
}

/** @throws MeshError CANCELLED or DEADLINE_EXCEEDED. */
export function assertNotAborted(signal: AbortSignal): void {
  if (signal.aborted) throw cancellation(signal);
}

/** The result of `work`, or the signal's error as soon as it is aborted, even when `work` never ends. */
export async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  // Whatever wins: what becomes of the work later has been reported already, or is of no interest.
  work.catch(() => undefined);
  assertNotAborted(signal);
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(cancellation(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
