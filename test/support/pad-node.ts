/**
 * For tests of kernels: padding whose amounts are known only when a tile runs. One program then serves every tile of a block: at the borders of
 * the map it pads, inside the map it does nothing, and where a neighbour left too much it crops (negative amounts).
 *
 * ONNX takes the amounts as an input from operator set 11 on; before, they are an attribute. ONNX Runtime's own operator
 * set has a Pad with that input for models of any version. Both take negative amounts and infinite fill values, and both
 * leave the bits of what they keep as they are (proved in test/conformance/kernels).
 * Source: ONNX operator Pad-11; ONNX Runtime, docs/ContribOperators.md, com.microsoft.Pad.
 */
import { MeshError } from '../../src/core/errors.ts';
import type { Node } from '../../src/core/graph/graph.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import { fromNumbers, zeros, type Tensor } from '../../src/core/tensor/tensor.ts';

const FIRST_OPSET_WITH_DYNAMIC_PAD = 11;
const RUNTIME_DOMAIN = 'com.microsoft';

export interface PadRequest {
  /** Name of the node; unique in its program. */
  readonly name: string;
  /** The value to pad. */
  readonly input: string;
  /** Name of an int64 value of shape [2 * rank]: all begins, then all ends; negative amounts crop. */
  readonly pads: string;
  /** Element type of `input`. */
  readonly type?: DataType;
  /** What the border holds: 0 for convolutions and averages, -Infinity for maxima. */
  readonly fill: number;
  readonly output: string;
  /** Version of ONNX's own operator set that the program asks for. */
  readonly opset: number;
}

export interface PadParts {
  readonly node: Node;
  /** Operator sets that the program needs besides those it has. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Constants that the program needs besides those it has. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

/** @throws MeshError INVALID_MODEL for element types that have no -Infinity, or that an old operator set cannot pad. */
export function padNode(request: PadRequest): PadParts {
  const { name, input, pads, type = 'float32', fill, output, opset } = request;
  const isOld = opset < FIRST_OPSET_WITH_DYNAMIC_PAD;
  if (isOld && type !== 'float32') {
    throw new MeshError(
      'INVALID_MODEL',
      `"${input}" is ${type}, which operator set ${opset} cannot pad at run time; convert the model to operator set 13`,
    );
  }
  const fillName = `${name}/fill`;
  const constants = new Map(
    fill === 0 ? [] : [[fillName, fill === -Infinity ? minusInfinity(type) : fromNumbers(type, [], [fill])]],
  );
  const node: Node = {
    name,
    op: 'Pad',
    domain: isOld ? RUNTIME_DOMAIN : '',
    inputs: [input, pads, ...constants.keys()],
    outputs: [output],
    attributes: { mode: { kind: 'string', value: 'constant' } },
    captures: [],
  };
  return { node, opsets: isOld ? { [RUNTIME_DOMAIN]: 1 } : {}, constants };
}

/** The most significant bytes of -Infinity, little-endian; all others are zero. */
const MINUS_INFINITY: Readonly<Partial<Record<DataType, readonly [number, number]>>> = {
  float16: [0x00, 0xfc],
  bfloat16: [0x80, 0xff],
  float32: [0x80, 0xff],
  float64: [0xf0, 0xff],
};

function minusInfinity(type: DataType): Tensor {
  const bits = MINUS_INFINITY[type];
  if (bits === undefined) {
    throw new MeshError('INVALID_MODEL', `${type} has no value below all others, which padding a maximum needs`);
  }
  const scalar = zeros(type, []);
  scalar.bytes.set(bits, scalar.bytes.byteLength - bits.length);
  return scalar;
}
