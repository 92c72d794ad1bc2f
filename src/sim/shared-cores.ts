/**
 * Boards emulated on one machine: groups of threads that share its cores, each group with so much processor time in each
 * period (Linux CFS bandwidth control). A group that has used up its time stalls until its next period begins; threads that
 * want more cores than there are get equal shares of them.
 */
import type { EventQueue } from './event-queue.ts';
import type { Cores, Thread } from './processor.ts';

export interface Quota {
  /** Processor time, in milliseconds, in each period. */
  readonly sliceMs: number;
  readonly periodMs: number;
}

/** Less processor time than this is none. */
const NOTHING_MS = 1e-9;

interface Job {
  leftMs: number;
  startMs: number;
  readonly onDone: (startMs: number) => void;
}

export class SharedCores {
  readonly #queue: EventQueue;
  readonly #count: number;
  readonly #groups: Group[] = [];
  /** Up to when the groups' accounts are made up. */
  #accountedMs = 0;
  #cancel = (): void => undefined;

  constructor(queue: EventQueue, count: number) {
    this.#queue = queue;
    this.#count = count;
  }

  /** @param phaseMs when its periods begin. */
  group(quota: Quota, phaseMs: number): Cores {
    const group = new Group(quota, phaseMs);
    this.#groups.push(group);
    return { thread: () => group.add(new SharedThread((change) => this.#change(change))) };
  }

  /** Up to now everything was as it was; from now on it is otherwise. */
  #change(change: () => void): void {
    this.#account();
    change();
    this.#plan();
  }

  #rate(): number {
    let threads = 0;
    for (const group of this.#groups) threads += group.running;
    return threads === 0 ? 0 : Math.min(1, this.#count / threads);
  }

  /** Work done since the last time. Nothing has changed in between: not who runs, nor whose period it is. */
  #account(): void {
    const nowMs = this.#queue.nowMs;
    const sinceMs = this.#accountedMs;
    const workMs = (nowMs - sinceMs) * this.#rate();
    this.#accountedMs = nowMs;
    const done: (() => void)[] = [];
    for (const group of this.#groups) done.push(...group.account(workMs, sinceMs, nowMs));
    for (const call of done) call();
  }

  /** The next moment at which a job ends, a group has used up its time, or gets new time. */
  #plan(): void {
    this.#cancel();
    const rate = this.#rate();
    let delayMs = Infinity;
    for (const group of this.#groups) delayMs = Math.min(delayMs, group.nextChangeMs(rate, this.#accountedMs));
    if (delayMs < Infinity)
      this.#cancel = this.#queue.at(this.#accountedMs + delayMs, () => this.#change(() => undefined));
  }
}

class Group {
  readonly #quota: Quota;
  readonly #threads: SharedThread[] = [];
  readonly #phaseMs: number;
  #period = 0;
  #leftMs: number;

  constructor(quota: Quota, phaseMs: number) {
    this.#quota = quota;
    this.#phaseMs = phaseMs;
    this.#leftMs = quota.sliceMs;
  }

  add(thread: SharedThread): SharedThread {
    this.#threads.push(thread);
    return thread;
  }

  get #busy(): number {
    let busy = 0;
    for (const thread of this.#threads) if (thread.job !== undefined) busy += 1;
    return busy;
  }

  /** Threads that have work and time for it. */
  get running(): number {
    return this.#leftMs > NOTHING_MS ? this.#busy : 0;
  }

  #periodAt(nowMs: number): number {
    return Math.floor((nowMs - this.#phaseMs) / this.#quota.periodMs + NOTHING_MS);
  }

  /** @returns what to call, now that jobs are done. */
  account(workMs: number, sinceMs: number, nowMs: number): (() => void)[] {
    const done: (() => void)[] = [];
    if (this.running > 0) {
      this.#leftMs -= workMs * this.#busy;
      for (const thread of this.#threads) {
        const call = thread.advance(workMs, sinceMs);
        if (call !== undefined) done.push(call);
      }
    }
    const period = this.#periodAt(nowMs);
    if (period !== this.#period) this.#leftMs = this.#quota.sliceMs;
    this.#period = period;
    return done;
  }

  nextChangeMs(rate: number, nowMs: number): number {
    if (this.#busy === 0) return Infinity;
    const refillMs = (this.#periodAt(nowMs) + 1) * this.#quota.periodMs + this.#phaseMs - nowMs;
    if (this.running === 0) return refillMs;
    const jobsMs = this.#threads.map((thread) => (thread.job === undefined ? Infinity : thread.job.leftMs / rate));
    return Math.min(refillMs, this.#leftMs / (rate * this.#busy), ...jobsMs);
  }
}

class SharedThread implements Thread {
  readonly #change: (change: () => void) => void;
  #jobs: Job[] = [];
  busyMs = 0;

  constructor(change: (change: () => void) => void) {
    this.#change = change;
  }

  get job(): Job | undefined {
    return this.#jobs[0];
  }

  run(workMs: number, onDone: (startMs: number) => void): void {
    this.#change(() => this.#jobs.push({ leftMs: workMs, startMs: NaN, onDone }));
  }

  /** @returns what to call when the job at hand is done. */
  advance(workMs: number, sinceMs: number): (() => void) | undefined {
    const job = this.job;
    if (job === undefined) return undefined;
    if (Number.isNaN(job.startMs)) job.startMs = sinceMs;
    job.leftMs -= workMs;
    this.busyMs += workMs;
    if (job.leftMs > NOTHING_MS) return undefined;
    this.#jobs.shift();
    return () => job.onDone(job.startMs);
  }

  stop(): void {
    this.#change(() => (this.#jobs = []));
  }
}
