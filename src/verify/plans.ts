/** Plans that cut a network in one given way, whether it pays or not. */
import type { BoundGraph } from '../core/graph/bind.ts';
import { asPeerId, type ModelId } from '../core/ids.ts';
import { blockOutputs, boundaries } from '../core/plan/boundaries.ts';
import { partCount, partition, WHOLE } from '../core/plan/partition.ts';
import { PLAN_SCHEMA, type Block, type Cut, type Part, type Plan } from '../core/plan/plan.ts';
import type { StepRange } from '../core/program/demand.ts';

/** How far a block reaches: a block for every atom, or as far as the cut can be kept up. */
export type Blocks = 'atoms' | 'fused';

const asParts = (regions: readonly Part['outputs'][]): Part[] =>
  regions.map((outputs, participant) => ({ participant, outputs, predictedMs: 0 }));

function wholeBlock(bound: BoundGraph, range: StepRange): Block {
  const outputs = blockOutputs(bound, range).map((name) => {
    const shape = bound.shapes.get(name);
    return [name, shape === undefined ? null : partition(shape, WHOLE, [1], bound.arithmetic)![0]!] as const;
  });
  return { ...range, cut: WHOLE, parts: asParts([Object.fromEntries(outputs)]) };
}

/** Undefined where one of the block's outputs cannot be cut so, or one of its operators must run once only. */
function cutBlock(bound: BoundGraph, range: StepRange, cut: Cut, weights: readonly number[]): Block | undefined {
  if (bound.steps.slice(range.first, range.last + 1).some((step) => step.bound === undefined)) return undefined;
  const parts = weights.map((): Record<string, Part['outputs'][string]> => ({}));
  for (const name of blockOutputs(bound, range)) {
    const shape = bound.shapes.get(name);
    const regions = shape && partition(shape, cut, weights, bound.arithmetic);
    if (regions === undefined) return undefined;
    for (const [index, region] of regions.entries()) parts[index]![name] = region;
  }
  return { ...range, cut, parts: asParts(parts) };
}

export interface CutRequest {
  readonly bound: BoundGraph;
  readonly modelId: ModelId;
  readonly cut: Cut;
  readonly blocks: Blocks;
  /** One for each part; equal shares unless told. */
  readonly weights?: readonly number[];
}

/** A valid plan for one participant for each part; what cannot be cut runs whole on the first. */
export function cutPlan({ bound, modelId, cut, blocks: kind, weights }: CutRequest): Plan {
  const ends = boundaries(bound);
  const shares = weights ?? new Array<number>(partCount(cut)).fill(1);
  const blocks: Block[] = [];
  for (let first = 0; first < bound.steps.length;) {
    const reachable = ends.filter((end) => end >= first);
    const candidates = kind === 'fused' ? reachable.toReversed() : reachable.slice(0, 1);
    const block =
      candidates
        .map((last) => cutBlock(bound, { first, last }, cut, shares))
        .find((candidate) => candidate !== undefined) ?? wholeBlock(bound, { first, last: reachable[0]! });
    blocks.push(block);
    first = block.last + 1;
  }
  return planOf(bound, modelId, blocks, Math.max(1, shares.length));
}

/** Everything at once on one participant: what a single machine would do. */
export function wholePlan(bound: BoundGraph, modelId: ModelId): Plan {
  const last = bound.steps.length - 1;
  return planOf(bound, modelId, last < 0 ? [] : [wholeBlock(bound, { first: 0, last })], 1);
}

function planOf(bound: BoundGraph, modelId: ModelId, blocks: readonly Block[], participants: number): Plan {
  const inputs = bound.graph.inputs.map(({ name }) => [
    name,
    { type: bound.types.get(name)!, shape: bound.shapes.get(name)! },
  ]);
  return {
    schema: PLAN_SCHEMA,
    modelId,
    inputs: Object.fromEntries(inputs) as Plan['inputs'],
    arithmetic: bound.arithmetic,
    ...(bound.arithmetic === 'fast' ? { filtered: bound.filtered } : {}),
    participants: Array.from({ length: participants }, (_, index) => asPeerId(`part-${index}`)),
    blocks,
    predictedMs: 0,
    singleMs: 0,
  };
}
