/** Which attempt at which request: later terms, and within a term later attempts, replace earlier ones. */
import type { RequestId } from '../core/ids.ts';

export interface AttemptId {
  readonly requestId: RequestId;
  /** Counts the coordinators of the request, from 1. */
  readonly term: number;
  /** Counts the plans of the term, from 1. */
  readonly attempt: number;
}

type Order = Omit<AttemptId, 'requestId'>;

export const isNewer = (a: Order, b: Order): boolean => a.term > b.term || (a.term === b.term && a.attempt > b.attempt);

export const isSame = (a: Order, b: Order): boolean => a.term === b.term && a.attempt === b.attempt;
