/** Operators that compute each output element from the elements at the same place, with NumPy-style broadcasting. */
import type { Region } from '../geometry/region.ts';
import { intAttribute } from '../graph/graph.ts';
import type { DataType } from '../tensor/data-type.ts';
import type { Shape } from '../tensor/tensor.ts';
import { regionInput, wholeInput, type NodeFacts, type OpRule } from './rule.ts';

/** The shape to which all shapes broadcast, or undefined where they do not. */
export function broadcastShapes(shapes: readonly Shape[]): Shape | undefined {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let extent = 1;
    for (const shape of shapes) {
      const own = shape[axis - rank + shape.length] ?? 1;
      if (own === 1 || own === extent) continue;
      if (extent !== 1) return undefined;
      extent = own;
    }
    result.push(extent);
  }
  return result;
}

/** The part of an operand of that shape that a region of the broadcast result reads. */
export function broadcastRegion(region: Region, result: Shape, operand: Shape): Region {
  const offset = result.length - operand.length;
  return operand.map((extent, axis) =>
    extent === 1 && result[axis + offset] !== 1 ? { start: 0, end: 1 } : region[axis + offset]!,
  );
}

const elementwise = (type: (facts: NodeFacts) => DataType | undefined): OpRule => ({
  outputs: (facts) => {
    // Before operator set 7, broadcasting was asked for with attributes of its own.
    if (facts.node.attributes.broadcast !== undefined) return undefined;
    const shape = broadcastShapes(facts.inputs.filter((input) => input !== undefined));
    const outputType = type(facts);
    if (shape === undefined || outputType === undefined) return undefined;
    return facts.node.outputs.map((_, index) => ({ shape, type: index === 0 ? outputType : 'bool' }));
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => ({
    region,
    inputs: node.inputs.map((input) =>
      input === undefined ? null : regionInput(broadcastRegion(region, node.outputs[0]!, input)),
    ),
  }),
  isPointwise: true,
});

/** Elementwise, of the type of the input at `from`. */
export const sameType = (from = 0): OpRule => elementwise((facts) => facts.inputTypes[from]);

/** Elementwise, of a fixed type (comparisons). */
export const ofType = (type: DataType): OpRule => elementwise(() => type);

/** ONNX `TensorProto.DataType` numbers. Source: onnx.proto. */
const TYPE_NUMBERS: Readonly<Record<number, DataType>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
};

export const typeOfNumber = (number: number): DataType | undefined => TYPE_NUMBERS[number];

export const castTarget = (facts: NodeFacts): DataType | undefined => typeOfNumber(intAttribute(facts.node, 'to', 0));

export const cast = elementwise(castTarget);

/** Cast to the type of the second input, of which the values do not matter. */
export const castLike: OpRule = {
  ...sameType(1),
  outputs: ({ inputs, inputTypes }) => [{ shape: inputs[0]!, type: inputTypes[1]! }],
  local: (node, region) => ({ region, inputs: [regionInput(region), wholeInput(node.inputs[1])] }),
};

/** In training, elements are dropped at random: that must happen once only. */
export const dropout: OpRule = {
  ...sameType(),
  outputs: (facts) => {
    const isTraining = facts.inputs[2] !== undefined;
    return isTraining ? undefined : sameType().outputs(facts);
  },
};
