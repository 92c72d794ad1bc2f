/**
 * Fencing: a participant remembers, per request, the highest term it has seen, and refuses work of an older one. So a
 * coordinator that was given up but does not know it cannot do harm. Memory is bounded: the requests heard of longest
 * ago are forgotten first.
 */
import type { RequestId } from '../ids.ts';

export interface Fence {
  /** Whether work of this term may be done. Raises the fence to `term` when it is newer than all before. */
  admit(requestId: RequestId, term: number): boolean;
  /** The highest term seen, 0 when the request is not known. */
  highest(requestId: RequestId): number;
}

/** @param limit how many requests are remembered. */
export function createFence(limit: number): Fence {
  const terms = new Map<RequestId, number>();
  const highest = (requestId: RequestId): number => terms.get(requestId) ?? 0;
  return {
    highest,
    admit(requestId, term) {
      const seen = highest(requestId);
      if (term < seen) return false;
      terms.delete(requestId);
      terms.set(requestId, Math.max(term, seen));
      for (const oldest of terms.keys()) {
        if (terms.size <= limit) break;
        terms.delete(oldest);
      }
      return true;
    },
  };
}
