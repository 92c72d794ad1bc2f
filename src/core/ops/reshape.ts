/**
 * Reshape, Flatten, Squeeze, Unsqueeze: the same elements in the same order under other axes. Input and output axes fall
 * into groups with equal products; within a group, the outermost axis of the output follows the outermost of the input.
 */
import { interval, whole, type Interval } from '../geometry/interval.ts';
import { regionShape, type Region } from '../geometry/region.ts';
import { intAttribute, intsAttribute } from '../graph/graph.ts';
import { elementCount, fromInt64, numberValues, type Shape } from '../tensor/tensor.ts';
import {
  normalizeAxis,
  parameterInput,
  regionInput,
  type BoundNode,
  type LocalInput,
  type NodeFacts,
  type OpRule,
} from './rule.ts';

/** Consecutive axes of the input and of the output that hold the same elements. */
export interface AxisGroup {
  readonly input: readonly number[];
  readonly output: readonly number[];
}

/** The finest grouping of two shapes of equal element count. Undefined when a shape has no elements. */
export function axisGroups(input: Shape, output: Shape): AxisGroup[] | undefined {
  if (elementCount(input) === 0 || elementCount(input) !== elementCount(output)) return undefined;
  const groups: AxisGroup[] = [];
  let i = 0;
  let o = 0;
  while (i < input.length || o < output.length) {
    const group = { input: [] as number[], output: [] as number[] };
    let inputProduct = 1;
    let outputProduct = 1;
    const takeInput = (): void => {
      inputProduct *= input[i]!;
      group.input.push(i++);
    };
    const takeOutput = (): void => {
      outputProduct *= output[o]!;
      group.output.push(o++);
    };
    if (i < input.length) takeInput();
    if (o < output.length) takeOutput();
    while (inputProduct !== outputProduct) {
      if (inputProduct < outputProduct) takeInput();
      else takeOutput();
    }
    groups.push(group);
  }
  return groups;
}

const outermost = (axes: readonly number[], shape: Shape): number | undefined => axes.find((axis) => shape[axis]! > 1);
const inner = (axes: readonly number[], shape: Shape, outer: number): number =>
  axes.filter((axis) => axis > outer).reduce((product, axis) => product * shape[axis]!, 1);
const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/** Which intervals of the input hold an interval of the output, widened to what both can express. */
export function follow(
  input: Shape,
  output: Shape,
  region: Region,
): { readonly input: Region; readonly output: Region } {
  const needed: Interval[] = input.map(whole);
  const produced: Interval[] = output.map(whole);
  for (const group of axisGroups(input, output) ?? []) {
    const from = outermost(group.input, input);
    const to = outermost(group.output, output);
    if (from === undefined || to === undefined) continue;
    const fromStep = inner(group.input, input, from);
    const toStep = inner(group.output, output, to);
    const unit = (fromStep / greatestCommonDivisor(fromStep, toStep)) * toStep;
    const total = output[to]! * toStep;
    const start = Math.floor((region[to]!.start * toStep) / unit) * unit;
    const end = Math.min(total, Math.ceil((region[to]!.end * toStep) / unit) * unit);
    needed[from] = interval(start / fromStep, end / fromStep);
    produced[to] = interval(start / toStep, end / toStep);
  }
  return { input: needed, output: produced };
}

type ShapeOf = (facts: NodeFacts) => Shape | undefined;
type RestOf = (node: BoundNode, produced: Region) => readonly (LocalInput | null)[];

const unchanged: RestOf = (node) =>
  node.inputs.slice(1).map((shape) => (shape === undefined ? null : regionInput(shape.map(whole))));

const rule = (shapeOf: ShapeOf, rest: RestOf = unchanged): OpRule => ({
  outputs: (facts) => {
    const shape = shapeOf(facts);
    return shape && [{ shape, type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => {
    const output = node.outputs[0]!;
    const groups = axisGroups(node.inputs[0]!, output) ?? [];
    const leading = new Set(groups.map((group) => outermost(group.output, output)));
    return output.map((_, axis) => leading.has(axis));
  },
  local: (node, region) => {
    const followed = follow(node.inputs[0]!, node.outputs[0]!, region);
    return { region: followed.output, inputs: [regionInput(followed.input), ...rest(node, followed.output)] };
  },
  isPointwise: true,
});

const reshapeTarget: ShapeOf = (facts) => {
  const data = facts.inputs[0]!;
  const constant = facts.constants[1];
  const given = constant === undefined ? intsAttribute(facts.node, 'shape') : numberValues(constant);
  if (given === undefined) return undefined;
  const isZeroKept = intAttribute(facts.node, 'allowzero', 0) === 1;
  const shape = given.map((extent, axis) => (extent === 0 && !isZeroKept ? (data[axis] ?? 0) : extent));
  const unknown = shape.indexOf(-1);
  if (unknown === -1) return shape;
  const known = shape.reduce((product, extent) => (extent === -1 ? product : product * extent), 1);
  return shape.map((extent) => (extent === -1 ? elementCount(data) / known : extent));
};

export const reshape = rule(reshapeTarget, (_, produced) => [
  parameterInput(fromInt64([produced.length], regionShape(produced))),
]);

export const flatten = rule((facts) => {
  const data = facts.inputs[0]!;
  const axis = normalizeAxis(intAttribute(facts.node, 'axis', 1), data.length);
  return [elementCount(data.slice(0, axis)), elementCount(data.slice(axis))];
});

const axesOf = (facts: NodeFacts): readonly number[] | undefined => {
  const constant = facts.constants[1];
  if (facts.inputs[1] !== undefined && constant === undefined) return undefined;
  return constant === undefined ? intsAttribute(facts.node, 'axes') : numberValues(constant);
};

export const squeeze = rule((facts) => {
  const data = facts.inputs[0]!;
  if (facts.inputs[1] !== undefined && facts.constants[1] === undefined) return undefined;
  const axes = axesOf(facts)?.map((axis) => normalizeAxis(axis, data.length));
  return data.filter((extent, axis) => (axes === undefined ? extent !== 1 : !axes.includes(axis)));
});

export const unsqueeze = rule((facts) => {
  const data = facts.inputs[0]!;
  const axes = axesOf(facts);
  if (axes === undefined) return undefined;
  const rank = data.length + axes.length;
  const added = new Set(axes.map((axis) => normalizeAxis(axis, rank)));
  const rest = data.values();
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.next().value ?? 1)));
});
