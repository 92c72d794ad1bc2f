/**
 * Requests under way, each run once for all who wait for it under the same id. One that leaves does not take the answer from
 * the others; when the last has left, the run is cancelled.
 */
import { MeshError, toMeshError } from '../core/errors.ts';
import type { RequestId } from '../core/ids.ts';

interface Run<Result> {
  readonly promise: Promise<Result>;
  readonly question: string;
  readonly abort: AbortController;
  sharers: number;
}

export class SharedRuns<Result> {
  readonly #runs = new Map<RequestId, Run<Result>>();

  get size(): number {
    return this.#runs.size;
  }

  /** What is asked under this id at the moment. */
  questionOf(requestId: RequestId): string | undefined {
    return this.#runs.get(requestId)?.question;
  }

  /**
   * Joins the run of this id, or begins it.
   * @throws MeshError CANCELLED when `signal` aborts; what `work` throws.
   */
  async share(
    requestId: RequestId,
    question: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    signal.throwIfAborted();
    return this.#wait(requestId, this.#runs.get(requestId) ?? this.#begin(requestId, question, work), signal);
  }

  /** Joins the run of this id; undefined where there is none. @throws MeshError CANCELLED, and what the run throws. */
  join(requestId: RequestId, signal: AbortSignal): Promise<Result> | undefined {
    const run = this.#runs.get(requestId);
    return run === undefined ? undefined : this.#wait(requestId, run, signal);
  }

  async #wait(requestId: RequestId, run: Run<Result>, signal: AbortSignal): Promise<Result> {
    run.sharers += 1;
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(toMeshError(signal.reason, 'CANCELLED'));
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([run.promise, left.promise]);
    } finally {
      signal.removeEventListener('abort', leave);
      run.sharers -= 1;
      if (run.sharers === 0) this.#end(requestId, run);
    }
  }

  #begin(requestId: RequestId, question: string, work: (signal: AbortSignal) => Promise<Result>): Run<Result> {
    const abort = new AbortController();
    const run = { promise: work(abort.signal), question, abort, sharers: 0 };
    // All sharers may have left when it fails.
    run.promise.catch(() => undefined);
    this.#runs.set(requestId, run);
    return run;
  }

  #end(requestId: RequestId, run: Run<Result>): void {
    if (this.#runs.get(requestId) === run) this.#runs.delete(requestId);
    run.abort.abort(UNWANTED);
  }
}

/** Made once: it ends every request, and to note where an error comes from takes time. */
const UNWANTED = new MeshError('CANCELLED', 'nobody waits for the answer any more');
