/**
 * Who answers a request whose id its client chose: the memory of the peer that keeps such ids. The first entry that claims
 * an id owns it until it is lost, gives it back, or turns out not to have the answer. Memory is bounded in number and time:
 * what was claimed longest ago is forgotten first.
 */
import type { PeerId, RequestId } from '../ids.ts';

export interface ClaimLimits {
  readonly count: number;
  readonly ageMs: number;
}

export const CLAIM_LIMITS: ClaimLimits = Object.freeze({ count: 16_384, ageMs: 300_000 });

export interface Claim {
  readonly claimant: PeerId;
  /** What is asked under this id. */
  readonly question: string;
  /** An owner that the claimant has found not to answer. */
  readonly insteadOf?: PeerId | undefined;
}

/** @param generation how often the id has been given out, this time included. */
export type ClaimVerdict =
  { readonly kind: 'owned'; readonly by: PeerId; readonly generation: number } | { readonly kind: 'conflict' };

export interface Claims {
  /** Whose the id is from now on. */
  claim(requestId: RequestId, claim: Claim, nowMs: number): ClaimVerdict;
  /** Takes over what another keeper has decided, unless something newer is known. */
  adopt(requestId: RequestId, claim: Claim, generation: number, nowMs: number): void;
  /** The owner gives the id back. */
  release(requestId: RequestId, owner: PeerId): void;
  /** The peer is gone, and what it owned is nobody's. */
  forget(owner: PeerId): void;
  readonly size: number;
}

interface Claimed {
  /** Undefined when nobody answers it at the moment. */
  readonly owner: PeerId | undefined;
  readonly question: string;
  readonly generation: number;
  readonly sinceMs: number;
}

export function createClaims(limits: ClaimLimits = CLAIM_LIMITS): Claims {
  /** Oldest first. */
  const known = new Map<RequestId, Claimed>();

  function remember(requestId: RequestId, claimed: Claimed): void {
    known.delete(requestId);
    known.set(requestId, claimed);
    for (const [oldest, { sinceMs }] of known) {
      if (known.size <= limits.count && claimed.sinceMs - sinceMs <= limits.ageMs) break;
      known.delete(oldest);
    }
  }

  return {
    claim(requestId, { claimant, question, insteadOf }, nowMs) {
      const before = known.get(requestId);
      const isOld = before !== undefined && nowMs - before.sinceMs > limits.ageMs;
      const owner = isOld ? undefined : before?.owner;
      if (before !== undefined && owner !== undefined) {
        if (before.question !== question) return { kind: 'conflict' };
        if (owner !== claimant && owner !== insteadOf) {
          return { kind: 'owned', by: owner, generation: before.generation };
        }
      }
      const generation = (before?.generation ?? 0) + 1;
      remember(requestId, { owner: claimant, question, generation, sinceMs: nowMs });
      return { kind: 'owned', by: claimant, generation };
    },
    adopt(requestId, { claimant, question }, generation, nowMs) {
      if ((known.get(requestId)?.generation ?? 0) >= generation) return;
      remember(requestId, { owner: claimant, question, generation, sinceMs: nowMs });
    },
    release(requestId, owner) {
      const before = known.get(requestId);
      if (before?.owner === owner) known.set(requestId, { ...before, owner: undefined });
    },
    forget(owner) {
      for (const [requestId, before] of known) {
        if (before.owner === owner) known.set(requestId, { ...before, owner: undefined });
      }
    },
    get size() {
      return known.size;
    },
  };
}
