/** QuantizeLinear and DequantizeLinear: elementwise, with one scale for all, one for each index of an axis, or one for each block. */
import { intAttribute } from '../graph/graph.ts';
import type { DataType } from '../tensor/data-type.ts';
import { typeOfNumber } from './elementwise.ts';
import { normalizeAxis, regionInput, wholeInput, type NodeFacts, type OpRule } from './rule.ts';

const axisOf = (facts: NodeFacts): number =>
  normalizeAxis(intAttribute(facts.node, 'axis', 1), facts.inputs[0]!.length);

const rule = (type: (facts: NodeFacts) => DataType | undefined): OpRule => ({
  outputs: (facts) => {
    const output = type(facts);
    return output && [{ shape: facts.inputs[0]!, type: output }];
  },
  // Scales of blocks have the rank of the data; only the axes that they do not run along are cut.
  cuttable: (node) => {
    const scale = node.inputs[1]!;
    return node.outputs[0]!.map((_, axis) => scale.length < 2 || axis !== axisOf(node));
  },
  local: (node, region) => {
    const axis = axisOf(node);
    const inputs = node.inputs.map((shape, position) => {
      if (position === 0) return regionInput(region);
      if (shape !== undefined && shape.length > 1) {
        return regionInput(region.map((own, index) => (index === axis ? { start: 0, end: shape[axis]! } : own)));
      }
      return shape?.length === 1 && shape[0] !== 1 ? regionInput([region[axis]!]) : wholeInput(shape);
    });
    return { region, inputs };
  },
  isPointwise: true,
});

export const quantizeLinear = rule((facts) => {
  const given = intAttribute(facts.node, 'output_dtype', 0);
  return facts.inputTypes[2] ?? (given === 0 ? 'uint8' : typeOfNumber(given));
});
export const dequantizeLinear = rule((facts) => facts.inputTypes[1]);
