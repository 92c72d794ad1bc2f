/** Transpose, Split, and nearest-neighbour Resize: elements move, none is computed. */
import { interval, whole, type Interval } from '../geometry/interval.ts';
import type { Region } from '../geometry/region.ts';
import { intAttribute, intsAttribute, stringAttribute } from '../graph/graph.ts';
import { fromInt64, numberValues, type Shape } from '../tensor/tensor.ts';
import { normalizeAxis, parameterInput, regionInput, type BoundNode, type NodeFacts, type OpRule } from './rule.ts';

const permutationOf = (facts: NodeFacts): readonly number[] =>
  intsAttribute(facts.node, 'perm') ?? facts.inputs[0]!.map((_, axis) => facts.inputs[0]!.length - 1 - axis);

export const transpose: OpRule = {
  outputs: (facts) => [
    { shape: permutationOf(facts).map((axis) => facts.inputs[0]![axis]!), type: facts.inputTypes[0]! },
  ],
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => {
    const needed: Interval[] = new Array<Interval>(region.length);
    for (const [index, axis] of permutationOf(node).entries()) needed[axis] = region[index]!;
    return { region, inputs: [regionInput(needed)] };
  },
};

const splitAxis = (facts: NodeFacts): number =>
  normalizeAxis(intAttribute(facts.node, 'axis', 0), facts.inputs[0]!.length);

function splitSizes(facts: NodeFacts): readonly number[] | undefined {
  const constant = facts.constants[1];
  if (facts.inputs[1] !== undefined && constant === undefined) return undefined;
  const given = constant === undefined ? intsAttribute(facts.node, 'split') : numberValues(constant);
  if (given !== undefined) return given;
  const extent = facts.inputs[0]![splitAxis(facts)]!;
  const count = facts.node.outputs.length;
  const size = Math.ceil(extent / count);
  return facts.node.outputs.map((_, index) => Math.min(size, extent - index * size));
}

export const split: OpRule = {
  outputs: (facts) => {
    const axis = splitAxis(facts);
    return splitSizes(facts)?.map((size) => ({
      shape: facts.inputs[0]!.map((extent, index) => (index === axis ? size : extent)),
      type: facts.inputTypes[0]!,
    }));
  },
  cuttable: (node) => node.outputs[0]!.map((_, axis) => axis !== splitAxis(node)),
  local: (node, region) => {
    const axis = splitAxis(node);
    const needed = region.map((own, index) => (index === axis ? whole(node.inputs[0]![axis]!) : own));
    return {
      region,
      inputs: node.inputs.map((shape, index) =>
        shape === undefined ? null : regionInput(index === 0 ? needed : shape.map(whole)),
      ),
    };
  },
};

/** Where the inputs of Resize and of its forerunner Upsample stand. */
const resizeInputs = (facts: NodeFacts): { readonly scales: number; readonly sizes: number } =>
  facts.node.op === 'Upsample' || facts.opset < 11 ? { scales: 1, sizes: -1 } : { scales: 2, sizes: 3 };

function resizeTarget(facts: NodeFacts): Shape | undefined {
  const data = facts.inputs[0]!;
  const at = resizeInputs(facts);
  const scales = facts.constants[at.scales];
  const sizes = facts.constants[at.sizes];
  if (facts.node.attributes.axes !== undefined) return undefined;
  if (sizes !== undefined && sizes.shape[0] !== 0) return numberValues(sizes);
  if (scales === undefined || scales.shape[0] === 0) return undefined;
  return numberValues(scales).map((scale, axis) => Math.floor(data[axis]! * scale));
}

/** The input index that an output index reads. Source: ONNX Resize, coordinate_transformation_mode and nearest_mode. */
function nearestSource(facts: NodeFacts, scale: number): ((index: number) => number) | undefined {
  const isOld = facts.node.op === 'Upsample' || facts.opset < 11;
  const coordinates = stringAttribute(
    facts.node,
    'coordinate_transformation_mode',
    isOld ? 'asymmetric' : 'half_pixel',
  );
  const rounding = stringAttribute(facts.node, 'nearest_mode', isOld ? 'floor' : 'round_prefer_floor');
  const positions: Readonly<Record<string, (index: number) => number>> = {
    asymmetric: (index) => index / scale,
    half_pixel: (index) => (index + 0.5) / scale - 0.5,
  };
  const roundings: Readonly<Record<string, (position: number) => number>> = {
    floor: Math.floor,
    ceil: Math.ceil,
    round_prefer_floor: (position) => Math.ceil(position - 0.5),
    round_prefer_ceil: (position) => Math.floor(position + 0.5),
  };
  const position = positions[coordinates];
  const round = roundings[rounding];
  return position && round && ((index) => Math.max(0, round(position(index))));
}

/** The whole factor by which an axis is repeated, or undefined where the axis is resized in any other way. */
function repeatFactor(node: BoundNode, axis: number): number | undefined {
  const from = node.inputs[0]![axis]!;
  const to = node.outputs[0]![axis]!;
  const factor = to / from;
  if (factor === 1) return 1;
  if (!Number.isInteger(factor) || stringAttribute(node.node, 'mode', 'nearest') !== 'nearest') return undefined;
  const source = nearestSource(node, factor);
  if (source === undefined) return undefined;
  for (let index = 0; index < to; index++) if (source(index) !== Math.floor(index / factor)) return undefined;
  return factor;
}

export const resize: OpRule = {
  outputs: (facts) => {
    const shape = resizeTarget(facts);
    return shape && [{ shape, type: facts.inputTypes[0]! }];
  },
  // Exact where every output repeats the input a whole number of times; a target given as sizes is rewritten per tile.
  cuttable: (node) => node.outputs[0]!.map((_, axis) => repeatFactor(node, axis) !== undefined),
  local: (node, region) => {
    const needed = region.map((own, axis) => {
      const factor = repeatFactor(node, axis);
      return factor === undefined
        ? whole(node.inputs[0]![axis]!)
        : interval(Math.floor(own.start / factor), Math.ceil(own.end / factor));
    });
    const produced: Region = region.map((own, axis) => {
      const factor = repeatFactor(node, axis);
      return factor === undefined ? own : interval(needed[axis]!.start * factor, needed[axis]!.end * factor);
    });
    const at = resizeInputs(node);
    return {
      region: produced,
      inputs: node.inputs.map((shape, index) => {
        if (shape === undefined) return null;
        if (index === 0) return regionInput(needed);
        if (index !== at.sizes) return regionInput(shape.map(whole));
        const sizes = produced.map((own) => own.end - own.start);
        return parameterInput(fromInt64([sizes.length], sizes));
      }),
    };
  },
};
