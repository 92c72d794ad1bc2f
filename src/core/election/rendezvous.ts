/**
 * Who coordinates a request, without a message: weighted rendezvous hashing (Thaler and Ravishankar 1998; weights after
 * Resch, "New Hashing Algorithms for Data Storage", 2015). Each candidate scores `-weight / ln(h)` with h in (0, 1) hashed
 * from the request and the peer; the highest score comes first. A peer is first for a share of the requests that is
 * proportional to its weight, and when a peer leaves, only the requests it was first for move.
 *
 * Every peer must rank alike, whatever its engine, so the logarithm is made of additions, multiplications and divisions
 * alone: IEEE 754 fixes those to the last bit, `Math.log` it does not.
 */
import type { PeerId, RequestId } from '../ids.ts';
import { hashFraction } from '../hash.ts';

export interface Candidate {
  readonly peer: PeerId;
  /** Relative share of requests to coordinate. Zero, negative or not a number: after all the others. */
  readonly weight: number;
}

const LN2 = 0.6931471805599453;

/** Natural logarithm of `x` in (0, 1), to about 1e-15: x = m * 2^e with m in [0.5, 1), and ln m = -2 artanh((1-m)/(1+m)). */
export function naturalLogarithm(x: number): number {
  let mantissa = x;
  let exponent = 0;
  while (mantissa < 0.5) {
    mantissa *= 2;
    exponent--;
  }
  const ratio = (1 - mantissa) / (1 + mantissa);
  const square = ratio * ratio;
  let sum = 0;
  for (let n = 31; n >= 1; n -= 2) sum = sum * square + 1 / n;
  return exponent * LN2 - 2 * ratio * sum;
}

const score = (requestId: RequestId, { peer, weight }: Candidate): number =>
  weight > 0 && weight < Infinity ? -weight / naturalLogarithm(hashFraction(`${requestId}/${peer}`)) : 0;

/** The candidates, best first. Equal scores are ordered by peer id, so the order is total. */
export function rankCandidates(requestId: RequestId, candidates: readonly Candidate[]): PeerId[] {
  return candidates
    .map((candidate) => ({ peer: candidate.peer, score: score(requestId, candidate) }))
    .sort((a, b) => b.score - a.score || (a.peer < b.peer ? -1 : a.peer > b.peer ? 1 : 0))
    .map(({ peer }) => peer);
}
