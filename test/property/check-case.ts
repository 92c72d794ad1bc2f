/** The property itself: cut in any way, a graph gives what it gives whole. */
import { GIGABIT, type PeerProfile } from '../../src/core/cost/cost-model.ts';
import { MeshError, type ErrorCode } from '../../src/core/errors.ts';
import { bindGraph, isConstant, type BoundGraph } from '../../src/core/graph/bind.ts';
import { asPeerId } from '../../src/core/ids.ts';
import type { Cut, Plan } from '../../src/core/plan/plan.ts';
import { planRequest } from '../../src/core/plan/planner.ts';
import { difference, isClose, worst, type Difference } from '../../src/verify/compare.ts';
import { cutPlan, wholePlan } from '../../src/verify/plans.ts';
import type { Bench } from './bench.ts';
import type { RandomGraph } from './random-graph.ts';

/** How to cut: along which axes, in how many parts of what sizes. */
export interface CutCase {
  readonly axis: number;
  readonly isGrid: boolean;
  readonly weights: readonly number[];
}

const RUNTIME_REFUSES: ReadonlySet<ErrorCode> = new Set(['KERNEL_FAILED', 'INVALID_MODEL']);

export interface Tally {
  identical: number;
  close: number;
  cutSteps: number;
  /** Graphs that the runtime itself refuses. */
  refused: number;
  /** The largest differences of those that are close. */
  apart: Difference;
}

export const emptyTally = (): Tally => ({ identical: 0, close: 0, cutSteps: 0, refused: 0, apart: worst([]) });

const cutOf = ({ axis, isGrid, weights }: CutCase): Cut =>
  isGrid && weights.length === 4 ? { axes: [2, 3], counts: [2, 2] } : { axes: [axis], counts: [weights.length] };

function plannedPlan(bound: BoundGraph, bench: Bench, parts: number): Plan {
  const peers = Array.from({ length: parts }, (_, index): PeerProfile => ({
    peer: asPeerId(`peer-${index}`),
    macsPerSecond: 1e9,
    memoryBudgetBytes: 2 ** 31,
  }));
  const { modelId } = bench;
  return planRequest({ bound, modelId, peers, coordinator: peers[0]!.peer, link: GIGABIT, parallelism: parts });
}

/** @throws Error that says how far the answers are apart, and for which plan. */
export async function checkCase(
  bench: Bench,
  { graph, blob, inputs }: RandomGraph,
  cut: CutCase,
  tally: Tally,
): Promise<void> {
  const bound = bindGraph(graph, inputs);
  const weights = bench.weights(blob);
  const whole = await bench.run(bound, wholePlan(bound, bench.modelId), weights, inputs).catch((error: unknown) => {
    // Some versions of some operators the runtime does not know, or bounds in ways of its own: nothing to compare with.
    if (error instanceof MeshError && RUNTIME_REFUSES.has(error.code)) return undefined;
    throw error;
  });
  if (whole === undefined) {
    tally.refused++;
    return;
  }
  const { modelId } = bench;
  const plans: Readonly<Record<string, Plan>> = {
    atoms: cutPlan({ bound, modelId, cut: cutOf(cut), weights: cut.weights, blocks: 'atoms' }),
    fused: cutPlan({ bound, modelId, cut: cutOf(cut), weights: cut.weights, blocks: 'fused' }),
    planned: plannedPlan(bound, bench, cut.weights.length),
  };
  for (const [kind, plan] of Object.entries(plans)) {
    tally.cutSteps += plan.blocks.reduce((sum, own) => sum + (own.parts.length > 1 ? own.last - own.first + 1 : 0), 0);
    const answer = await bench.run(bound, plan, weights, inputs).catch((cause: unknown) => {
      throw new Error(`${kind} (${cut.weights.length} parts along ${cut.axis}): ${String(cause)}`, { cause });
    });
    for (const { name } of graph.outputs) {
      if (isConstant(bound, name)) continue;
      const apart = difference(whole.get(name)!, answer.get(name)!);
      if (apart.isIdentical) tally.identical++;
      else tally.close++;
      tally.apart = worst([tally.apart, apart]);
      if (!isClose(apart)) {
        throw new Error(`${kind}: "${name}" is off by ${apart.maxAbs} (${apart.maxRel} of the largest value)`);
      }
    }
  }
}
