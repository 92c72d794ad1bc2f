/**
 * How much of what was finished when something went wrong did not have to be computed again. Plans cut differently, so tiles of
 * one are not tiles of the next: what is compared is how much of each node later attempts computed.
 */
import type { PeerId } from '../../src/core/ids.ts';
import type { ComputeSpan, RequestTrace } from '../../src/core/trace/trace.ts';

export interface Reuse {
  /** Tiles that others than the victim had finished by then, of plans that were replaced. */
  readonly finished: number;
  /** Of these, in tiles: what no later attempt computed again. */
  readonly reused: number;
}

/**
 * @param faultMs since the request arrived.
 * @returns null where a plan is not known any more, so that it cannot be told; nothing finished where there was but one plan.
 */
export function reuseIn(trace: RequestTrace, victim: PeerId, faultMs: number): Reuse | null {
  const { attempts, peers } = trace;
  const answered = attempts.findIndex(({ outcome }) => outcome === 'answered');
  const spans = peers.flatMap(({ computed }) => computed);
  const finished = peers
    .filter(({ peer }) => peer !== victim)
    .flatMap(({ computed }) => computed)
    .filter(({ attempt, endMs }) => attempt < answered && endMs <= faultMs);
  if (spans.some(({ attempt }) => attempts[attempt]?.plan == null)) return null;
  const blockOf = ({ attempt, block }: ComputeSpan) => attempts[attempt]!.plan!.blocks[block];
  /** How much of a node attempts after that one computed; 1: all of it. */
  const computedAgain = (node: string, after: number): number =>
    spans
      .filter((span) => span.attempt > after && blockOf(span)?.nodes.includes(node) === true)
      .reduce((sum, span) => sum + 1 / (blockOf(span)?.tiles.length ?? 1), 0);
  const reused = finished.map((span) => {
    const nodes = blockOf(span)?.nodes ?? [];
    const spared = nodes.reduce((sum, node) => sum + Math.max(0, 1 - computedAgain(node, span.attempt)), 0);
    return nodes.length === 0 ? 0 : spared / nodes.length;
  });
  return { finished: finished.length, reused: reused.reduce((sum, share) => sum + share, 0) };
}
