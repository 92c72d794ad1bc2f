/**
 * Answers kept for clients that ask again with the same request id: bounded in number, bytes and time. What was made or asked
 * for longest ago goes first; an answer that alone exceeds the bound in bytes is not kept.
 */
import type { RequestId } from '../core/ids.ts';
import type { Tensor } from '../core/tensor/tensor.ts';
import type { EntryResult } from './entry-desk.ts';
import type { Clock } from './ports.ts';

export interface AnswerMemoryLimits {
  readonly answers: number;
  readonly bytes: number;
  readonly ageMs: number;
}

export const ANSWER_MEMORY_DEFAULTS: AnswerMemoryLimits = Object.freeze({
  answers: 1024,
  bytes: 32 * 2 ** 20,
  ageMs: 120_000,
});

/** An answer, and what was asked. */
export interface Remembered {
  readonly result: EntryResult;
  readonly question: string;
}

interface Kept extends Remembered {
  readonly bytes: number;
  readonly sinceMs: number;
}

/** What an answer takes beside its tensors, roughly: its report. */
const REPORT_BYTES = 16 * 1024;

export const tensorBytes = (tensors: ReadonlyMap<string, Tensor>): number =>
  [...tensors.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

export class AnswerMemory {
  readonly #clock: Clock;
  readonly #limits: AnswerMemoryLimits;
  /** In the order of last use. */
  readonly #kept = new Map<RequestId, Kept>();
  #bytes = 0;

  constructor(clock: Clock, limits: AnswerMemoryLimits = ANSWER_MEMORY_DEFAULTS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Of all answers kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get(requestId: RequestId): Remembered | undefined {
    this.#tidy();
    const kept = this.#kept.get(requestId);
    if (kept === undefined) return undefined;
    this.#kept.delete(requestId);
    this.#kept.set(requestId, kept);
    return kept;
  }

  keep(requestId: RequestId, { result, question }: Remembered): void {
    this.#drop(requestId);
    const bytes = tensorBytes(result.outputs) + REPORT_BYTES;
    if (bytes > this.#limits.bytes) return;
    this.#kept.set(requestId, { result, question, bytes, sinceMs: this.#clock.now() });
    this.#bytes += bytes;
    this.#tidy();
  }

  #drop(requestId: RequestId): void {
    this.#bytes -= this.#kept.get(requestId)?.bytes ?? 0;
    this.#kept.delete(requestId);
  }

  #tidy(): void {
    const { answers, bytes, ageMs } = this.#limits;
    const bornAfterMs = this.#clock.now() - ageMs;
    for (const [requestId, { sinceMs }] of this.#kept) {
      if (this.#kept.size > answers || this.#bytes > bytes || sinceMs < bornAfterMs) this.#drop(requestId);
    }
  }
}
