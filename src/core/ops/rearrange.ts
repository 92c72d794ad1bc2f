/** Transpose, Split, DepthToSpace and SpaceToDepth: elements move, none is computed. */
import { interval, whole, type Interval } from '../geometry/interval.ts';
import { intAttribute, intsAttribute } from '../graph/graph.ts';
import { numberValues } from '../tensor/tensor.ts';
import { ints, normalizeAxis, regionInput, wholeInput, type NodeFacts, type OpRule } from './rule.ts';

const permutationOf = (facts: NodeFacts): readonly number[] =>
  intsAttribute(facts.node, 'perm') ?? facts.inputs[0]!.map((_, axis) => facts.inputs[0]!.length - 1 - axis);

export const transpose: OpRule = {
  outputs: (facts) => [
    { shape: permutationOf(facts).map((axis) => facts.inputs[0]![axis]!), type: facts.inputTypes[0]! },
  ],
  // ONNX Runtime 1.30 aborts the process on one without an order, of what was dequantised with a scale for each channel.
  defaults: (facts) => ({ perm: ints(...permutationOf(facts)) }),
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
      inputs: node.inputs.map((shape, index) => (index === 0 ? regionInput(needed) : wholeInput(shape))),
    };
  },
};

/** Elements of the channels become squares of rows and columns: a part has whole squares. */
export const depthToSpace: OpRule = {
  outputs: (facts) => {
    const [batch, channels, rows, columns] = facts.inputs[0]!;
    const size = intAttribute(facts.node, 'blocksize', 1);
    const shape = [batch!, channels! / (size * size), rows! * size, columns! * size];
    return [{ shape, type: facts.inputTypes[0]! }];
  },
  cuttable: () => [true, false, true, true],
  local: (node, region) => {
    const size = intAttribute(node.node, 'blocksize', 1);
    const inner = region.slice(2).map((own) => interval(Math.floor(own.start / size), Math.ceil(own.end / size)));
    return {
      region: [region[0]!, region[1]!, ...inner.map((own) => scaled(own, size))],
      inputs: [regionInput([region[0]!, whole(node.inputs[0]![1]!), ...inner])],
    };
  },
};

/** Squares of rows and columns become channels. */
export const spaceToDepth: OpRule = {
  outputs: (facts) => {
    const [batch, channels, rows, columns] = facts.inputs[0]!;
    const size = intAttribute(facts.node, 'blocksize', 1);
    const shape = [batch!, channels! * size * size, rows! / size, columns! / size];
    return [{ shape, type: facts.inputTypes[0]! }];
  },
  cuttable: () => [true, false, true, true],
  local: (node, region) => {
    const size = intAttribute(node.node, 'blocksize', 1);
    const needed = region.slice(2).map((own) => scaled(own, size));
    return { region, inputs: [regionInput([region[0]!, whole(node.inputs[0]![1]!), ...needed])] };
  },
};

const scaled = (own: Interval, by: number): Interval => interval(own.start * by, own.end * by);
