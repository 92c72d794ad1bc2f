/** What an operator is to the reference kernel, and the small vocabulary in which operators are written. */
import { MeshError } from '../../src/core/errors.ts';
import type { Node } from '../../src/core/graph/graph.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import {
  elementCount,
  fromNumbers,
  numberValues,
  strides,
  type Shape,
  type Tensor,
} from '../../src/core/tensor/tensor.ts';

/** A tensor whose elements are plain numbers. */
export interface Value {
  readonly type: DataType;
  readonly shape: Shape;
  readonly data: Float64Array;
}

export interface Call {
  readonly node: Node;
  /** Undefined where an optional input is left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** Version of the operator set that the node belongs to. */
  readonly opset: number;
}

/** Outputs in the node's order. */
export type Operator = (call: Call) => readonly Value[];

export const fromTensor = (tensor: Tensor): Value => ({
  type: tensor.type,
  shape: tensor.shape,
  data: Float64Array.from(numberValues(tensor)),
});

export const toTensor = ({ type, shape, data }: Value): Tensor => fromNumbers(type, shape, data);

/** A value of `type`: numbers are rounded to what the type can hold, which is where single precision comes in. */
export function value(type: DataType, shape: Shape, data: Float64Array): Value {
  if (data.length !== elementCount(shape)) {
    throw new MeshError('KERNEL_FAILED', `${data.length} elements do not fill the shape [${shape.join(', ')}]`);
  }
  return {
    type,
    shape,
    data: type === 'float32' ? data.map(Math.fround) : type === 'float64' ? data : data.map(Math.trunc),
  };
}

export const blank = (shape: Shape): Float64Array => new Float64Array(elementCount(shape));

/** @throws MeshError KERNEL_FAILED when the input is left out. */
export function required({ node, inputs }: Call, position: number): Value {
  const input = inputs[position];
  if (input !== undefined) return input;
  throw new MeshError('KERNEL_FAILED', `node "${node.name}" (${node.op}) lacks its input ${position}`);
}

export const unsupported = ({ node }: Call, what: string): MeshError =>
  new MeshError('KERNEL_FAILED', `the reference kernel does not know ${node.op} with ${what} (node "${node.name}")`);

/** The integers of an optional input, or else of the attribute that older operator sets have in its place. */
export function intsOf(call: Call, position: number, attribute: string): readonly number[] | undefined {
  const input = call.inputs[position];
  if (input !== undefined) return [...input.data];
  const old = call.node.attributes[attribute];
  return old?.kind === 'ints' ? old.value : undefined;
}

/** Every index of a tensor of this shape, in row-major order. */
export function indicesOf(shape: Shape): number[][] {
  return shape.reduce<number[][]>(
    (prefixes, extent) =>
      prefixes.flatMap((prefix) => Array.from({ length: extent }, (_, position) => [...prefix, position])),
    [[]],
  );
}

/** Position of an index among the elements of a tensor of this shape. */
export const offsetOf = (index: readonly number[], shape: Shape): number => {
  const steps = strides(shape);
  return index.reduce((sum, position, axis) => sum + position * steps[axis]!, 0);
};

/** An axis counted from the front. */
export const normalAxis = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** The shape that tensors of these shapes have in common: extents are equal, 1 or absent. */
export function broadcastShapes(shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const extents = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const wanted = extents.find((extent) => extent !== 1) ?? 1;
    if (extents.every((extent) => extent === 1 || extent === wanted)) return wanted;
    throw new MeshError(
      'KERNEL_FAILED',
      `the shapes ${shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ')} do not go together`,
    );
  });
}

/** The element of `source` that stands at `index` of a larger tensor over which it is repeated. */
export function broadcastAt(source: Value, index: readonly number[]): number {
  const { shape } = source;
  const own = shape.map((extent, axis) => (extent === 1 ? 0 : index[axis - shape.length + index.length]!));
  return source.data[offsetOf(own, shape)]!;
}
