/** Waiting that can be given up, for work that cannot. */
import { MeshError } from '../src/core/errors.ts';

/** @throws MeshError CANCELLED when the signal is raised. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled(signal);
}

/**
 * What `work` comes to, or CANCELLED as soon as the signal is raised; the work itself goes on and is not listened to.
 * @throws MeshError CANCELLED.
 */
export function abandonable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abandon = (): void => reject(cancelled(signal));
  const unlisten = (): void => signal.removeEventListener('abort', abandon);
  signal.addEventListener('abort', abandon, { once: true });
  work.then(resolve, reject).finally(unlisten);
  if (signal.aborted) abandon();
  return promise;
}

const cancelled = (signal: AbortSignal): MeshError =>
  new MeshError('CANCELLED', 'the run was cancelled', { cause: signal.reason });
