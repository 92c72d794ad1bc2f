/** Gemm and MatMul: cut along rows and columns of the product (a fully connected layer's batch and features). */
import { whole, type Interval } from '../geometry/interval.ts';
import { volume, type Region } from '../geometry/region.ts';
import { intAttribute } from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';
import { broadcastRegion, broadcastShapes } from './elementwise.ts';
import { regionInput, type OpRule } from './rule.ts';

const pair = (isTransposed: boolean, outer: Interval, inner: Interval): Region =>
  isTransposed ? [inner, outer] : [outer, inner];

export const gemm: OpRule = {
  outputs: (facts) => {
    const [a, b] = facts.inputs;
    const rows = a![intAttribute(facts.node, 'transA', 0)]!;
    const columns = b![1 - intAttribute(facts.node, 'transB', 0)]!;
    return [{ shape: [rows, columns], type: facts.inputTypes[0]! }];
  },
  cuttable: () => [true, true],
  local: (node, region) => {
    const isTransposedA = intAttribute(node.node, 'transA', 0) === 1;
    const isTransposedB = intAttribute(node.node, 'transB', 0) === 1;
    const depth = whole(node.inputs[0]![isTransposedA ? 0 : 1]!);
    const bias = node.inputs[2];
    return {
      region,
      inputs: [
        regionInput(pair(isTransposedA, region[0]!, depth)),
        regionInput(pair(isTransposedB, depth, region[1]!)),
        ...(bias === undefined ? [] : [regionInput(broadcastRegion(region, node.outputs[0]!, bias))]),
      ],
    };
  },
  macs: (node, region) => volume(region) * node.inputs[0]![intAttribute(node.node, 'transA', 0) === 1 ? 0 : 1]!,
};

/** Batch axes of an operand of MatMul broadcast like those of an elementwise operator. */
function operandRegion(region: Region, result: Shape, operand: Shape, row: Interval, column: Interval): Region {
  const batch = broadcastRegion(region.slice(0, -2), result.slice(0, -2), operand.slice(0, -2));
  return [...batch, row, column];
}

export const matMul: OpRule = {
  outputs: (facts) => {
    const a = facts.inputs[0]!;
    const b = facts.inputs[1]!;
    if (a.length < 2 || b.length < 2) return undefined;
    const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
    return batch && [{ shape: [...batch, a.at(-2)!, b.at(-1)!], type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => {
    const a = node.inputs[0]!;
    const b = node.inputs[1]!;
    const depth = whole(a.at(-1)!);
    return {
      region,
      inputs: [
        regionInput(operandRegion(region, node.outputs[0]!, a, region.at(-2)!, depth)),
        regionInput(operandRegion(region, node.outputs[0]!, b, depth, region.at(-1)!)),
      ],
    };
  },
  macs: (node, region) => volume(region) * node.inputs[0]!.at(-1)!,
};
