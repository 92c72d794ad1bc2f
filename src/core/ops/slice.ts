/** Slice: cut along every axis; steps of any sign. Source: ONNX operator specification, Slice-1 and Slice-13. */
import { interval, type Interval } from '../geometry/interval.ts';
import { intsAttribute } from '../graph/graph.ts';
import { fromNumbers, numberValues } from '../tensor/tensor.ts';
import { ints, normalizeAxis, parameterInput, regionInput, wholeInput, type NodeFacts, type OpRule } from './rule.ts';

/** What is taken along one axis: `count` elements, `step` apart, from `start` on. */
export interface Taken {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** A list from an attribute (before operator set 10) or from an input that is known before the run. */
function listOf(facts: NodeFacts, name: string, position: number): readonly number[] | 'absent' | undefined {
  const attribute = intsAttribute(facts.node, name);
  if (attribute !== undefined) return attribute;
  if (facts.inputs[position] === undefined) return 'absent';
  const constant = facts.constants[position];
  return constant && numberValues(constant);
}

/** The axes that are sliced, or undefined where the bounds are not known before the run. */
export function takenOf(facts: NodeFacts): readonly Taken[] | undefined {
  const data = facts.inputs[0]!;
  const starts = listOf(facts, 'starts', 1);
  const ends = listOf(facts, 'ends', 2);
  const axes = listOf(facts, 'axes', 3);
  const steps = listOf(facts, 'steps', 4);
  if (starts === undefined || ends === undefined || axes === undefined || steps === undefined) return undefined;
  if (starts === 'absent' || ends === 'absent') return undefined;
  return starts.map((first, index): Taken => {
    const axis = axes === 'absent' ? index : normalizeAxis(axes[index]!, data.length);
    const step = steps === 'absent' ? 1 : steps[index]!;
    const extent = data[axis]!;
    // Going backwards, -1 stands for the place before the first element.
    const clamp = (position: number): number =>
      Math.min(step > 0 ? extent : extent - 1, Math.max(step > 0 ? 0 : -1, position));
    const fromEnd = (position: number): number => (position < 0 ? position + extent : position);
    const start = Math.max(0, clamp(fromEnd(first)));
    const end = clamp(fromEnd(ends[index]!));
    return { axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
}

/** The inputs that an interval of the taken elements stands for. */
function sourceOf({ start, step }: Taken, own: Interval): Interval {
  const first = start + own.start * step;
  const last = start + (own.end - 1) * step;
  return step > 0 ? interval(first, last + 1) : interval(last, first + 1);
}

export const slice: OpRule = {
  outputs: (facts) => {
    const taken = takenOf(facts);
    if (taken === undefined) return undefined;
    const shape = [...facts.inputs[0]!];
    for (const { axis, count } of taken) shape[axis] = count;
    return [{ shape, type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => {
    const taken = takenOf(node)!;
    const needed = [...region];
    for (const own of taken) needed[own.axis] = sourceOf(own, region[own.axis]!);
    const extents = taken.map(({ axis }) => needed[axis]!.end - needed[axis]!.start);
    const starts = taken.map(({ step }, index) => (step > 0 ? 0 : extents[index]! - 1));
    const ends = taken.map(({ step }, index) => (step > 0 ? extents[index]! : -extents[index]! - 1));
    const list = (position: number, values: readonly number[]) =>
      parameterInput(fromNumbers(node.inputTypes[position]!, [values.length], values));
    return {
      region,
      inputs: node.inputs.map((shape, position) => {
        if (position === 0) return regionInput(needed);
        if (position === 1) return list(1, starts);
        return position === 2 ? list(2, ends) : wholeInput(shape);
      }),
      ...(node.node.attributes.starts === undefined
        ? {}
        : { attributes: { starts: ints(...starts), ends: ints(...ends) } }),
    };
  },
};
