/**
 * What one peer wrote down about one request, in terms of its own clock. Computations and transfers are rows of numbers,
 * which is how they are recorded; pieces are named by their number in the dataflow, which every participant derives alike.
 */
import type { ModelId, PeerId, PlanDigest, RequestId } from '../ids.ts';

/** At the entry, at the coordinator, at participants. */
export const MARKS = [
  'arrived',
  'proposed',
  'accepted',
  'declined',
  'coordinator lost',
  'answered',
  'failed',
  'coordinating',
  'planned',
  'planning again',
  'all computed',
  'assigned',
  'prepared',
  'finished',
  'gave up',
] as const;

export type MarkKind = (typeof MARKS)[number];

/** A moment that explains the rest. */
export interface Mark {
  readonly atMs: number;
  readonly what: MarkKind;
  /** 0 where none is meant. */
  readonly term: number;
  readonly attempt: number;
  /** The candidate, the coordinator or the one that was lost. */
  readonly peer?: PeerId;
  readonly digest?: PlanDigest;
  /** Why. */
  readonly text?: string;
}

/** What the entry knows of a request. */
export interface RequestFacts {
  /** Name under which the client asked. */
  readonly model: string;
  readonly modelId: ModelId;
  /** Unix time, of the entry. */
  readonly arrivedUnixMs: number;
}

/** Columns of a computation: term, attempt, block, part, lane, inputs complete, start, end. */
export const COMPUTE_COLUMNS = 8;
/** Columns of a transfer: 0 sent or 1 received, term, attempt, piece, bytes, start, end. */
export const MOVE_COLUMNS = 7;
export const SENT = 0;
export const RECEIVED = 1;

export interface RequestAccount {
  readonly requestId: RequestId;
  /** Absent where the request did not come in. */
  readonly facts?: RequestFacts;
  readonly marks: readonly Mark[];
  /** Row after row. Milliseconds of this peer's clock. */
  readonly computed: readonly number[];
  readonly moved: readonly number[];
  /** Rows and marks beyond what is kept. */
  readonly dropped: number;
}

/** One row after the other. */
export function* rowsOf(flat: readonly number[], columns: number): Generator<readonly number[]> {
  for (let start = 0; start + columns <= flat.length; start += columns) yield flat.slice(start, start + columns);
}
