/** Work that several callers wait for and that is done once; it is aborted when the last of them has gone. */
import { neverAborted, orAborted } from './cancellation.ts';

interface Running<Result> {
  readonly result: Promise<Result>;
  readonly controller: AbortController;
  waiting: number;
}

export class SharedWork<Key, Result> {
  readonly #running = new Map<Key, Running<Result>>();

  /** Joins the work under way for `key`, or starts it. @throws what the work throws, CANCELLED by the caller's signal. */
  async run(
    key: Key,
    start: (signal: AbortSignal) => Promise<Result>,
    signal: AbortSignal = neverAborted,
  ): Promise<Result> {
    const running = this.#running.get(key) ?? this.#start(key, start);
    running.waiting++;
    try {
      return await orAborted(running.result, signal);
    } finally {
      if (--running.waiting === 0) {
        running.controller.abort();
        if (this.#running.get(key) === running) this.#running.delete(key);
      }
    }
  }

  #start(key: Key, start: (signal: AbortSignal) => Promise<Result>): Running<Result> {
    const controller = new AbortController();
    const running = { result: start(controller.signal), controller, waiting: 0 };
    this.#running.set(key, running);
    return running;
  }
}
