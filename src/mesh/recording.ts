/**
 * What this peer has done in a request, written down as it happens and read only when somebody asks. A computation or a
 * transfer is a row in an array of numbers; what is kept is bounded by rows, by requests and by bytes.
 */
import {
  COMPUTE_COLUMNS,
  MOVE_COLUMNS,
  RECEIVED,
  SENT,
  type Mark,
  type MarkKind,
  type RequestAccount,
  type RequestFacts,
} from '../core/trace/account.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import type { AttemptId } from './attempt-id.ts';
import type { Clock } from './ports.ts';
import { Tally } from './tally.ts';

/** Rows for which there is room at once; it doubles as they fill. */
const FIRST_ROWS = 16;
const MAX_ROWS = 4096;
const MAX_MARKS = 256;
/** What a mark takes, roughly. */
const MARK_BYTES = 200;

/** Microseconds are all that a clock is good for. */
const toMicroseconds = (value: number): number => Math.round(value * 1e3) / 1e3;

class Rows {
  readonly #columns: number;
  #values: Float64Array;
  #used = 0;

  constructor(columns: number) {
    this.#columns = columns;
    this.#values = new Float64Array(columns * FIRST_ROWS);
  }

  get byteLength(): number {
    return this.#values.byteLength;
  }

  /** False where there is no more room. */
  add(row: readonly number[]): boolean {
    if (this.#used === this.#values.length) {
      if (this.#used >= MAX_ROWS * this.#columns) return false;
      const larger = new Float64Array(2 * this.#used);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values.set(row, this.#used);
    this.#used += this.#columns;
    return true;
  }

  toArray(): number[] {
    return Array.from(this.#values.subarray(0, this.#used), toMicroseconds);
  }
}

export interface Computation {
  readonly block: number;
  readonly part: number;
  /** Of the kernel. */
  readonly lane: number;
  /** When all its inputs were here. */
  readonly readyMs: number;
  readonly startMs: number;
  readonly endMs: number;
}

export class Recording {
  readonly requestId: RequestId;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #onMark: (recording: Recording, mark: Mark) => void;
  readonly #marks: Mark[] = [];
  readonly #computed = new Rows(COMPUTE_COLUMNS);
  readonly #moved = new Rows(MOVE_COLUMNS);
  #dropped = 0;
  #facts: RequestFacts | undefined;

  constructor(
    requestId: RequestId,
    clock: Clock,
    tally: Tally,
    onMark: (recording: Recording, mark: Mark) => void = () => undefined,
  ) {
    this.requestId = requestId;
    this.#clock = clock;
    this.#tally = tally;
    this.#onMark = onMark;
  }

  get byteLength(): number {
    return this.#computed.byteLength + this.#moved.byteLength + this.#marks.length * MARK_BYTES;
  }

  /** Known where the request came in. */
  get facts(): RequestFacts | undefined {
    return this.#facts;
  }

  get marks(): readonly Mark[] {
    return this.#marks;
  }

  /** The request came in here. */
  arrived(facts: RequestFacts): void {
    this.#facts = facts;
    this.mark('arrived');
  }

  mark(
    what: MarkKind,
    id: Partial<Pick<AttemptId, 'term' | 'attempt'>> = {},
    more: Pick<Mark, 'peer' | 'digest' | 'text'> = {},
  ): void {
    const { term = 0, attempt = 0 } = id;
    const mark = { atMs: this.#clock.now(), what, term, attempt, ...more };
    if (what === 'failed') this.#tally.error();
    if (this.#marks.length === MAX_MARKS) this.#dropped += 1;
    else this.#marks.push(mark);
    this.#onMark(this, mark);
  }

  /** A tile was computed. */
  computed({ term, attempt }: AttemptId, { block, part, lane, readyMs, startMs, endMs }: Computation): void {
    this.#tally.tile();
    if (!this.#computed.add([term, attempt, block, part, lane, readyMs, startMs, endMs])) this.#dropped += 1;
  }

  /** A piece for another peer, by its number in the dataflow, was handed to the network between then and now. */
  sent(id: AttemptId, to: PeerId, piece: number, bytes: number, startMs: number): void {
    this.#tally.sent(to, bytes);
    this.#move(SENT, id, piece, bytes, startMs, this.#clock.now());
  }

  /** All of a piece was here. */
  received(id: AttemptId, piece: number, bytes: number, atMs = this.#clock.now()): void {
    this.#move(RECEIVED, id, piece, bytes, atMs, atMs);
  }

  account(): RequestAccount {
    return {
      requestId: this.requestId,
      ...(this.#facts && { facts: this.#facts }),
      marks: this.#marks.map((mark) => ({ ...mark, atMs: toMicroseconds(mark.atMs) })),
      computed: this.#computed.toArray(),
      moved: this.#moved.toArray(),
      dropped: this.#dropped,
    };
  }

  #move(way: number, { term, attempt }: AttemptId, piece: number, bytes: number, startMs: number, endMs: number): void {
    if (!this.#moved.add([way, term, attempt, piece, bytes, startMs, endMs])) this.#dropped += 1;
  }
}

export interface RecorderLimits {
  readonly requests: number;
  readonly bytes: number;
}

export const RECORDER_DEFAULTS: RecorderLimits = Object.freeze({ requests: 64, bytes: 8 * 2 ** 20 });

/** The recordings of the last requests. */
export class Recorder {
  readonly #clock: Clock;
  readonly #limits: RecorderLimits;
  /** Oldest first. */
  readonly #recordings = new Map<RequestId, Recording>();
  readonly #listeners = new Set<(recording: Recording, mark: Mark) => void>();
  /** How much was done in all requests. */
  readonly tally: Tally;

  constructor(clock: Clock, limits: RecorderLimits = RECORDER_DEFAULTS) {
    this.#clock = clock;
    this.#limits = limits;
    this.tally = new Tally(clock);
  }

  /** Called with every mark. Listeners must not throw. Returns how to stop. */
  onMark(listener: (recording: Recording, mark: Mark) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The recording of a request, begun where there is none; the oldest are forgotten. */
  of(requestId: RequestId): Recording {
    const known = this.#recordings.get(requestId);
    if (known !== undefined) return known;
    const recording = new Recording(requestId, this.#clock, this.tally, (own, mark) => {
      for (const listener of this.#listeners) listener(own, mark);
    });
    this.#recordings.set(requestId, recording);
    this.#forget();
    return recording;
  }

  find(requestId: RequestId): Recording | undefined {
    return this.#recordings.get(requestId);
  }

  /** Newest first. */
  all(): readonly Recording[] {
    return [...this.#recordings.values()].reverse();
  }

  #forget(): void {
    let bytes = 0;
    for (const recording of this.#recordings.values()) bytes += recording.byteLength;
    for (const [requestId, recording] of this.#recordings) {
      const isWithin = this.#recordings.size <= this.#limits.requests && bytes <= this.#limits.bytes;
      if (isWithin || this.#recordings.size === 1) return;
      bytes -= recording.byteLength;
      this.#recordings.delete(requestId);
    }
  }
}
