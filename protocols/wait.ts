/** Waiting for an event with a deadline and a signal: the one way the protocols wait. */
import { MeshError } from '../src/core/errors.ts';

export interface WaitOptions {
  readonly timeoutMs: number;
  /** The error when time is up. */
  readonly onTimeout: () => MeshError;
  readonly signal?: AbortSignal | undefined;
}

/** Why a signal was aborted: DEADLINE_EXCEEDED for a time-out, otherwise CANCELLED. */
export function abortError(signal: AbortSignal): MeshError {
  const reason: unknown = signal.reason;
  if (reason instanceof MeshError) return reason;
  if (reason instanceof DOMException && reason.name === 'TimeoutError') {
    return new MeshError('DEADLINE_EXCEEDED', 'the deadline passed; allow more time or lower the load', {
      cause: reason,
    });
  }
  return new MeshError('CANCELLED', 'the operation was cancelled', { cause: reason });
}

/**
 * Settles as `subscribe` says, when time is up, or when the signal aborts, whichever comes first, and undoes the
 * subscription in every case.
 * @param subscribe starts listening and returns how to stop.
 */
export function waitFor<T>(
  subscribe: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
  { timeoutMs, onTimeout, signal }: WaitOptions,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  if (signal?.aborted === true) return Promise.reject(abortError(signal));
  const timer = setTimeout(() => reject(onTimeout()), timeoutMs);
  const onAbort = (): void => {
    if (signal !== undefined) reject(abortError(signal));
  };
  signal?.addEventListener('abort', onAbort);
  const unsubscribe = subscribe(resolve, reject);
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    unsubscribe();
  });
}
