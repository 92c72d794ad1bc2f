/**
 * Processor time. A thread does one job after another; jobs are measured in milliseconds of a core that it has to itself.
 * How fast it gets on is the matter of the cores it runs on.
 */
import type { EventQueue } from './event-queue.ts';

export interface Thread {
  /** Queues a job. `onDone` is called with the time at which it was begun. */
  run(workMs: number, onDone: (startMs: number) => void): void;
  /** Work done so far, in milliseconds of a core. */
  readonly busyMs: number;
  /** Drops what is queued and under way. */
  stop(): void;
}

export interface Cores {
  thread(): Thread;
}

/** A core for every thread. */
export class OwnCores implements Cores {
  readonly #queue: EventQueue;

  constructor(queue: EventQueue) {
    this.#queue = queue;
  }

  thread(): Thread {
    return new OwnCoreThread(this.#queue);
  }
}

class OwnCoreThread implements Thread {
  readonly #queue: EventQueue;
  #freeMs = 0;
  #isStopped = false;
  busyMs = 0;

  constructor(queue: EventQueue) {
    this.#queue = queue;
  }

  run(workMs: number, onDone: (startMs: number) => void): void {
    const startMs = Math.max(this.#queue.nowMs, this.#freeMs);
    this.#freeMs = startMs + workMs;
    this.#queue.at(this.#freeMs, () => {
      if (this.#isStopped) return;
      this.busyMs += workMs;
      onDone(startMs);
    });
  }

  stop(): void {
    this.#isStopped = true;
  }
}
