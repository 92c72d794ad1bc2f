/** The property itself: cut in any way, a graph gives what it gives whole. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { GIGABIT, type PeerProfile } from '../../src/core/cost/cost-model.ts';
import { MeshError, type ErrorCode } from '../../src/core/errors.ts';
import { bindGraph, isConstant, type BoundGraph } from '../../src/core/graph/bind.ts';
import { asPeerId } from '../../src/core/ids.ts';
import { partition } from '../../src/core/plan/partition.ts';
import type { Cut, Plan } from '../../src/core/plan/plan.ts';
import { planRequest } from '../../src/core/plan/planner.ts';
import { difference, isClose, TOLERANCE, worst, type Difference, type Tolerance } from '../../src/core/compare.ts';
import { cutPlan, wholePlan, type Blocks } from '../../src/verify/plans.ts';
import type { Network } from '../support/half-graph.ts';
import type { Bench } from './bench.ts';
import { isRounding } from './rounding.ts';

/** How to cut: along which axes, in how many parts of what sizes. */
export interface CutCase {
  readonly axis: number;
  readonly isGrid: boolean;
  readonly weights: readonly number[];
}

export const cutCases: fc.Arbitrary<CutCase> = fc.record({
  axis: fc.constantFrom(0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4),
  isGrid: fc.boolean(),
  weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 }),
});

const RUNTIME_REFUSES: ReadonlySet<ErrorCode> = new Set(['KERNEL_FAILED', 'INVALID_MODEL']);

export interface Tally {
  identical: number;
  close: number;
  /** Further apart, but no further than rounding carries a last bit in that graph. */
  carried: number;
  cutSteps: number;
  /** Graphs that the runtime itself refuses. */
  refused: number;
  /** The largest differences of those that are close. */
  apart: Difference;
}

export const emptyTally = (): Tally => ({
  identical: 0,
  close: 0,
  carried: 0,
  cutSteps: 0,
  refused: 0,
  apart: worst([]),
});

/** Where more is refused or carried than ever was, something else is at fault, and the tally says nothing. */
export function assertTold({ carried, refused }: Tally, graphs: number): void {
  assert.ok(refused <= 10 + graphs / 20, `the runtime refuses ${refused} of ${graphs} graphs`);
  assert.ok(carried <= 10 + graphs / 1000, `rounding is to blame for ${carried} answers to ${graphs} graphs`);
}

const cutOf = ({ axis, isGrid, weights }: CutCase): Cut =>
  isGrid && weights.length === 4 ? { axes: [2, 3], counts: [2, 2] } : { axes: [axis], counts: [weights.length] };

/** The case with as many of its parts, two or more, as some value of the graph can be cut into. */
function possible(bound: BoundGraph, cut: CutCase): CutCase {
  const canCut = (own: CutCase): boolean =>
    [...bound.shapes.values()].some(
      (shape) => partition(shape, cutOf(own), own.weights, bound.arithmetic) !== undefined,
    );
  const fewer = cut.weights.slice(2).map((_, index) => ({ ...cut, weights: cut.weights.slice(0, -1 - index) }));
  return [cut, ...fewer].find(canCut) ?? cut;
}

function plannedPlan(bound: BoundGraph, bench: Bench, parts: number): Plan {
  const peers = Array.from({ length: parts }, (_, index): PeerProfile => ({
    peer: asPeerId(`peer-${index}`),
    macsPerSecond: 1e9,
    memoryBudgetBytes: 2 ** 31,
  }));
  const modelId = bench.freshModelId();
  return planRequest({ bound, modelId, peers, coordinator: peers[0]!.peer, link: GIGABIT, parallelism: parts });
}

/** What a plan computes in which pieces: plans that are alike in it give the same answer. */
const piecesOf = ({ blocks }: Plan): string =>
  JSON.stringify(blocks.map(({ first, last, parts }) => [first, last, parts.map(({ outputs }) => outputs)]));

/** @throws Error that says how far the answers are apart, and for which plan. */
export async function checkCase(
  bench: Bench,
  { graph, blob, inputs }: Network,
  wanted: CutCase,
  tally: Tally,
  tolerance: Tolerance = TOLERANCE,
): Promise<void> {
  const bound = bindGraph(graph, inputs);
  const cut = possible(bound, wanted);
  const weights = bench.weights(blob);
  const onePart = wholePlan(bound, bench.freshModelId());
  const whole = await bench.run(bound, onePart, weights, inputs).catch((error: unknown) => {
    // Some versions of some operators the runtime does not know, or bounds in ways of its own: nothing to compare with.
    if (error instanceof MeshError && RUNTIME_REFUSES.has(error.code)) return undefined;
    throw error;
  });
  if (whole === undefined) {
    tally.refused++;
    return;
  }
  const cutAs = (blocks: Blocks): Plan =>
    cutPlan({ bound, modelId: bench.freshModelId(), cut: cutOf(cut), weights: cut.weights, blocks });
  const plans: Readonly<Record<string, Plan>> = {
    atoms: cutAs('atoms'),
    fused: cutAs('fused'),
    planned: plannedPlan(bound, bench, wanted.weights.length),
  };
  const answers = new Map([[piecesOf(onePart), Promise.resolve(whole)]]);
  for (const plan of Object.values(plans)) {
    const pieces = piecesOf(plan);
    if (!answers.has(pieces)) answers.set(pieces, bench.run(bound, plan, weights, inputs));
  }
  await Promise.allSettled(answers.values());
  for (const [kind, plan] of Object.entries(plans)) {
    tally.cutSteps += plan.blocks.reduce((sum, own) => sum + (own.parts.length > 1 ? own.last - own.first + 1 : 0), 0);
    const answer = await answers.get(piecesOf(plan))!.catch((cause: unknown) => {
      throw new Error(`${kind} (${cut.weights.length} parts along ${cut.axis}): ${String(cause)}`, { cause });
    });
    for (const { name } of graph.outputs) {
      if (isConstant(bound, name)) continue;
      const [expected, actual] = [whole.get(name)!, answer.get(name)!];
      const apart = difference(expected, actual);
      if (apart.isIdentical) tally.identical++;
      else if (isClose(apart, tolerance)) {
        tally.close++;
        tally.apart = worst([tally.apart, apart]);
      } else if (await isRounding(bench, { bound, weights, inputs, name, whole: expected, answer: actual })) {
        tally.carried++;
      } else {
        throw new Error(`${kind}: "${name}" is off by ${apart.maxAbs} (${apart.maxRel} of the largest value)`);
      }
    }
  }
}
