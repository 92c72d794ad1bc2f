/** Reductions and global pools: cut along every axis that is kept, since a reduced axis is needed in full. */
import { whole, type Interval } from '../geometry/interval.ts';
import { volume } from '../geometry/region.ts';
import { intAttribute, intsAttribute } from '../graph/graph.ts';
import type { DataType } from '../tensor/data-type.ts';
import { elementCount, numberValues } from '../tensor/tensor.ts';
import { normalizeAxis, regionInput, type NodeFacts, type OpRule } from './rule.ts';

interface Reduction {
  readonly axes: ReadonlySet<number>;
  readonly isKeeping: boolean;
}

type ReductionOf = (facts: NodeFacts) => Reduction | undefined;

/** Axes from the attribute (older opsets) or from the second input, which must be known before the run. */
const reduction: ReductionOf = (facts) => {
  const rank = facts.inputs[0]!.length;
  const hasAxesInput = facts.inputs[1] !== undefined;
  const constant = facts.constants[1];
  if (hasAxesInput && constant === undefined) return undefined;
  const given = constant === undefined ? intsAttribute(facts.node, 'axes') : numberValues(constant);
  const isNone = given === undefined || given.length === 0;
  const isNothing = isNone && intAttribute(facts.node, 'noop_with_empty_axes', 0) === 1;
  const axes = isNothing
    ? []
    : isNone
      ? facts.inputs[0]!.map((_, axis) => axis)
      : given.map((axis) => normalizeAxis(axis, rank));
  return { axes: new Set(axes), isKeeping: intAttribute(facts.node, 'keepdims', 1) === 1 };
};

const singleAxis: ReductionOf = (facts) => ({
  axes: new Set([normalizeAxis(intAttribute(facts.node, 'axis', 0), facts.inputs[0]!.length)]),
  isKeeping: intAttribute(facts.node, 'keepdims', 1) === 1,
});

const spatial: ReductionOf = (facts) => ({
  axes: new Set(facts.inputs[0]!.map((_, axis) => axis).slice(2)),
  isKeeping: true,
});

/** The input axis that each output axis stands for. */
function keptAxes(rank: number, { axes, isKeeping }: Reduction): number[] {
  return Array.from({ length: rank }, (_, axis) => axis).filter((axis) => isKeeping || !axes.has(axis));
}

const rule = (reductionOf: ReductionOf, type?: DataType): OpRule => ({
  outputs: (facts) => {
    const found = reductionOf(facts);
    if (found === undefined) return undefined;
    const data = facts.inputs[0]!;
    const shape = keptAxes(data.length, found).map((axis) => (found.axes.has(axis) ? 1 : data[axis]!));
    return [{ shape, type: type ?? facts.inputTypes[0]! }];
  },
  cuttable: (node) => {
    const found = reductionOf(node)!;
    return keptAxes(node.inputs[0]!.length, found).map((axis) => !found.axes.has(axis));
  },
  local: (node, region) => {
    const found = reductionOf(node)!;
    const data = node.inputs[0]!;
    const needed: Interval[] = data.map(whole);
    for (const [index, axis] of keptAxes(data.length, found).entries()) {
      if (!found.axes.has(axis)) needed[axis] = region[index]!;
    }
    return {
      region,
      inputs: node.inputs.map((shape, index) =>
        shape === undefined ? null : regionInput(index === 0 ? needed : shape.map(whole)),
      ),
    };
  },
  macs: (node, region) =>
    (volume(region) * elementCount(node.inputs[0]!)) / Math.max(1, elementCount(node.outputs[0]!)),
});

export const reduce = rule(reduction);
export const argReduce = rule(singleAxis, 'int64');
export const globalPool = rule(spatial);
