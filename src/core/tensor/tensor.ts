/**
 * A tensor as plain data: element type, shape, and its elements as contiguous little-endian bytes in row-major order.
 * Everything that moves between peers, threads and files is one of these.
 */
import { MeshError } from '../errors.ts';
import { ELEMENT_BYTES, type DataType } from './data-type.ts';
import { halfOfNumber, numberOfHalf } from './half.ts';

/** Extent of each axis, outermost first. A scalar has the empty shape. */
export type Shape = readonly number[];

/** Element type, shape, and contiguous little-endian bytes in row-major order. */
export interface Tensor {
  readonly type: DataType;
  readonly shape: Shape;
  /** `elementCount(shape) * ELEMENT_BYTES[type]` bytes. */
  readonly bytes: Uint8Array;
}

export function elementCount(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function byteLength(type: DataType, shape: Shape): number {
  return elementCount(shape) * ELEMENT_BYTES[type];
}

/** Number of elements between neighbours along each axis, row-major. */
export function strides(shape: Shape): number[] {
  const result = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    result[axis] = step;
    step *= shape[axis]!;
  }
  return result;
}

/** A tensor over existing bytes. @throws MeshError INVALID_INPUT when the bytes do not fit the shape. */
export function tensor(type: DataType, shape: Shape, bytes: Uint8Array): Tensor {
  const expected = byteLength(type, shape);
  if (bytes.byteLength !== expected) {
    throw new MeshError(
      'INVALID_INPUT',
      `a ${type} tensor of shape [${shape.join(', ')}] needs ${expected} bytes, but ${bytes.byteLength} were given`,
    );
  }
  return { type, shape, bytes };
}

export const zeros = (type: DataType, shape: Shape): Tensor => ({
  type,
  shape,
  bytes: new Uint8Array(byteLength(type, shape)),
});

/**
 * A float32 tensor; a view of `values` where those are a Float32Array.
 * @throws MeshError INVALID_INPUT when there are not as many as the shape needs.
 */
export function fromFloat32(shape: Shape, values: ArrayLike<number>): Tensor {
  const data = values instanceof Float32Array ? values : Float32Array.from(values);
  return tensor('float32', shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

export function fromInt64(shape: Shape, values: readonly number[]): Tensor {
  const data = BigInt64Array.from(values, (value) => BigInt(value));
  return tensor('int64', shape, new Uint8Array(data.buffer));
}

/** The bytes of `source` at an address divisible by `alignment`, copied only where they are not there already. */
function aligned(source: Uint8Array, alignment: number): Uint8Array {
  // Not `slice`: that of Node's Buffer, which is a Uint8Array too, copies nothing.
  return source.byteOffset % alignment === 0 ? source : new Uint8Array(source);
}

/** The elements of a float32 tensor; a view where alignment allows. */
export function float32Values(source: Tensor): Float32Array {
  if (source.type !== 'float32') {
    throw new MeshError('INVALID_INPUT', `expected a float32 tensor, not ${source.type}`);
  }
  const bytes = aligned(source.bytes, 4);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

const READERS: Readonly<Partial<Record<DataType, (view: DataView, offset: number) => number>>> = {
  float32: (view, offset) => view.getFloat32(offset, true),
  float16: (view, offset) => numberOfHalf(view.getUint16(offset, true)),
  float64: (view, offset) => view.getFloat64(offset, true),
  int8: (view, offset) => view.getInt8(offset),
  uint8: (view, offset) => view.getUint8(offset),
  bool: (view, offset) => view.getUint8(offset),
  int16: (view, offset) => view.getInt16(offset, true),
  uint16: (view, offset) => view.getUint16(offset, true),
  int32: (view, offset) => view.getInt32(offset, true),
  uint32: (view, offset) => view.getUint32(offset, true),
  int64: (view, offset) => Number(view.getBigInt64(offset, true)),
  uint64: (view, offset) => Number(view.getBigUint64(offset, true)),
};

/** The elements as plain numbers (64-bit integers are rounded beyond 2^53). For shapes, small constants and output. */
export function numberValues(source: Tensor): number[] {
  if (source.type === 'float32') return Array.from(float32Values(source));
  const read = READERS[source.type];
  if (read === undefined) {
    throw new MeshError('INVALID_INPUT', `elements of type ${source.type} cannot be read as numbers`);
  }
  const view = new DataView(source.bytes.buffer, source.bytes.byteOffset, source.bytes.byteLength);
  const size = ELEMENT_BYTES[source.type];
  return Array.from({ length: elementCount(source.shape) }, (_, index) => read(view, index * size));
}

const WRITERS: Readonly<Partial<Record<DataType, (view: DataView, offset: number, value: number) => void>>> = {
  float32: (view, offset, value) => view.setFloat32(offset, value, true),
  float16: (view, offset, value) => view.setUint16(offset, halfOfNumber(value), true),
  float64: (view, offset, value) => view.setFloat64(offset, value, true),
  int8: (view, offset, value) => view.setInt8(offset, value),
  uint8: (view, offset, value) => view.setUint8(offset, value),
  bool: (view, offset, value) => view.setUint8(offset, value === 0 ? 0 : 1),
  int16: (view, offset, value) => view.setInt16(offset, value, true),
  uint16: (view, offset, value) => view.setUint16(offset, value, true),
  int32: (view, offset, value) => view.setInt32(offset, value, true),
  uint32: (view, offset, value) => view.setUint32(offset, value, true),
  int64: (view, offset, value) => view.setBigInt64(offset, BigInt(Math.trunc(value)), true),
  uint64: (view, offset, value) => view.setBigUint64(offset, BigInt(Math.trunc(value)), true),
};

/** A tensor of `type` from plain numbers. @throws MeshError INVALID_INPUT for types that numbers cannot express. */
export function fromNumbers(type: DataType, shape: Shape, values: ArrayLike<number>): Tensor {
  const write = WRITERS[type];
  if (write === undefined) {
    throw new MeshError('INVALID_INPUT', `elements of type ${type} cannot be written from numbers`);
  }
  if (values.length !== elementCount(shape)) {
    throw new MeshError(
      'INVALID_INPUT',
      `shape [${shape.join(', ')}] needs ${elementCount(shape)} elements, but ${values.length} were given`,
    );
  }
  const result = zeros(type, shape);
  const view = new DataView(result.bytes.buffer);
  const size = ELEMENT_BYTES[type];
  for (let index = 0; index < values.length; index++) write(view, index * size, values[index]!);
  return result;
}

/** The same numbers in another type; the tensor itself where it has that type. @throws MeshError INVALID_INPUT where either type is not one of numbers. */
export const converted = (source: Tensor, type: DataType): Tensor =>
  source.type === type ? source : fromNumbers(type, source.shape, numberValues(source));
