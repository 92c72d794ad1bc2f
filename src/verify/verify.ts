/**
 * Whether a network gives the same answer cut as it gives whole: it is cut in every way the planner knows, on this machine,
 * and each answer is compared with that of the whole.
 */
import type { Kernel, WeightFile } from '../../kernels/kernel.ts';
import { GIGABIT, type PeerProfile } from '../core/cost/cost-model.ts';
import { bindGraph, isConstant, type BoundGraph, type Step } from '../core/graph/bind.ts';
import type { Graph } from '../core/graph/graph.ts';
import { asPeerId, type ModelId } from '../core/ids.ts';
import { boundaries } from '../core/plan/boundaries.ts';
import { candidateCuts } from '../core/plan/layout.ts';
import { describeCut, type Plan } from '../core/plan/plan.ts';
import { planRequest } from '../core/plan/planner.ts';
import { wholeRegion } from '../core/geometry/region.ts';
import type { Shape, Tensor } from '../core/tensor/tensor.ts';
import { difference, isClose, toleranceOf, worst, type Difference, type Tolerance } from '../core/compare.ts';
import { executePlan } from './execute.ts';
import { cutPlan, wholePlan, type Blocks } from './plans.ts';

export const VERIFY_SCHEMA = 'tilemesh.verify/1';

export interface VerifyRequest {
  readonly graph: Graph;
  readonly weights: WeightFile | null;
  readonly kernel: Kernel;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Numbers of parts to cut into. */
  readonly parts: readonly number[];
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** One way to cut, and what came of it. */
export interface CutReport {
  /** `4 stripes of rows`, `2x2 grid`; what the planner chose is `planned`. */
  readonly axis: string;
  readonly parts: number;
  readonly blocks: Blocks | 'planned';
  /** Blocks of the plan that are cut, of all. */
  readonly cutBlocks: number;
  readonly allBlocks: number;
  /** Share of the multiply-accumulates that lies in those blocks. */
  readonly share: number;
  /** Finite, as JSON wants it: where one answer is no number and the other is, the largest number that there is. */
  readonly maxAbs: number;
  readonly maxRel: number;
  /** Within the tolerance. */
  readonly equal: boolean;
}

/** An operator that is never cut, and why. */
export interface WholeReport {
  readonly operator: string;
  readonly node: string;
  readonly reason: string;
}

export interface VerifyReport {
  readonly schema: typeof VERIFY_SCHEMA;
  readonly model: string;
  readonly inputs: Readonly<Record<string, Shape>>;
  readonly cuts: readonly CutReport[];
  /** Share of the multiply-accumulates that lie in operators which can be cut. */
  readonly coverage: number;
  /** Places after which a block may end. */
  readonly blocks: number;
  readonly whole: readonly WholeReport[];
  readonly tolerance: Tolerance;
}

const MODEL_ID = '0'.repeat(64) as ModelId;

interface Candidate extends Pick<CutReport, 'axis' | 'parts' | 'blocks'> {
  readonly plan: Plan;
}

/**
 * @throws MeshError INVALID_INPUT when the inputs do not fit the graph, CANCELLED, and what the kernel throws for a network
 *   that it cannot execute.
 */
export async function verifyModel(request: VerifyRequest): Promise<VerifyReport> {
  const { graph, weights, kernel, inputs, signal, onProgress } = request;
  const bound = bindGraph(graph, inputs);
  const candidates = candidatesFor(bound, request.parts);
  const run = (plan: Plan): Promise<Map<string, Tensor>> =>
    executePlan({ bound, plan, kernel, weights, inputs, signal });
  const expected = await run(wholePlan(bound, MODEL_ID));
  const tolerance = toleranceOf(bound);
  const cuts: CutReport[] = [];
  for (const [index, { plan, ...cut }] of candidates.entries()) {
    signal.throwIfAborted();
    onProgress?.(index, candidates.length);
    const apart = compare(bound, expected, await run(plan));
    cuts.push({
      ...cut,
      ...extentOf(bound, plan),
      maxAbs: finite(apart.maxAbs),
      maxRel: finite(apart.maxRel),
      equal: isClose(apart, tolerance),
    });
  }
  onProgress?.(candidates.length, candidates.length);
  return {
    schema: VERIFY_SCHEMA,
    model: graph.name,
    inputs: Object.fromEntries([...inputs].map(([name, { shape }]) => [name, shape])),
    cuts,
    coverage: coverageOf(bound),
    blocks: boundaries(bound).length,
    whole: bound.steps.flatMap((step) => reasonOf(bound, step) ?? []),
    tolerance,
  };
}

const finite = (value: number): number => Math.min(value, Number.MAX_VALUE);

function compare(
  bound: BoundGraph,
  expected: ReadonlyMap<string, Tensor>,
  answer: ReadonlyMap<string, Tensor>,
): Difference {
  const names = bound.graph.outputs.map(({ name }) => name).filter((name) => !isConstant(bound, name));
  return worst(names.map((name) => difference(expected.get(name)!, answer.get(name)!)));
}

/** Every cut along one axis and every grid, with blocks of single atoms and fused as far as they go; and the planner's own. */
function candidatesFor(bound: BoundGraph, parts: readonly number[]): Candidate[] {
  return parts.flatMap((count) => {
    const own = candidateCuts(count).flatMap((cut) =>
      (['atoms', 'fused'] as const).map((blocks): Candidate => {
        const plan = cutPlan({ bound, modelId: MODEL_ID, cut, blocks });
        return { axis: describeCut(cut), parts: count, blocks, plan };
      }),
    );
    const planned: Candidate = { axis: 'planned', parts: count, blocks: 'planned', plan: planOf(bound, count) };
    return [...own, planned].filter(({ plan }) => plan.blocks.some((block) => block.parts.length > 1));
  });
}

function planOf(bound: BoundGraph, parts: number): Plan {
  const peers = Array.from({ length: parts }, (_, index): PeerProfile => ({
    peer: asPeerId(`part-${index}`),
    macsPerSecond: 1e9,
    memoryBudgetBytes: Number.MAX_SAFE_INTEGER,
  }));
  const coordinator = peers[0]!.peer;
  return planRequest({ bound, modelId: MODEL_ID, peers, coordinator, link: GIGABIT, parallelism: parts });
}

function extentOf(bound: BoundGraph, plan: Plan): Pick<CutReport, 'cutBlocks' | 'allBlocks' | 'share'> {
  const isCut = plan.blocks.map(({ parts }) => parts.length > 1);
  const work = plan.blocks.map(({ first, last }) =>
    bound.steps.slice(first, last + 1).reduce((sum, step) => sum + macsOf(step), 0),
  );
  const sum = (macs: readonly number[]): number => macs.reduce((total, own) => total + own, 0);
  return {
    cutBlocks: isCut.filter(Boolean).length,
    allBlocks: plan.blocks.length,
    share: shareOf(sum(work.filter((_, index) => isCut[index])), sum(work)),
  };
}

const macsOf = ({ bound }: Step): number => bound?.rule.macs?.(bound.facts, wholeRegion(bound.facts.outputs[0]!)) ?? 0;

/** Where nothing is multiplied there is nothing that could not be cut. */
const shareOf = (part: number, total: number): number => (total === 0 ? 1 : part / total);

const canBeCut = ({ bound }: Step): boolean =>
  bound?.isCuttable.some((isCuttable, axis) => isCuttable && bound.facts.outputs[0]![axis]! > 1) ?? false;

function coverageOf(bound: BoundGraph): number {
  const sum = (steps: readonly Step[]): number => steps.reduce((total, step) => total + macsOf(step), 0);
  return shareOf(sum(bound.steps.filter(canBeCut)), sum(bound.steps));
}

function reasonOf(bound: BoundGraph, step: Step): WholeReport | undefined {
  if (canBeCut(step)) return undefined;
  const { op: operator, name: node, outputs } = step.node;
  const report = (reason: string): WholeReport => ({ operator, node, reason });
  if (step.bound === undefined) {
    const isKnown = outputs.every((name) => name === '' || bound.shapes.has(name));
    return report(isKnown ? 'the operator declares nothing' : 'the shape of its result is not known beforehand');
  }
  const isSingle = step.bound.facts.outputs[0]!.every((extent) => extent === 1);
  return report(isSingle ? 'its result is a single element' : 'every axis of its result is needed in full');
}
