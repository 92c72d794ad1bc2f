/**
 * `TensorProto` to tensors and back. ONNX stores elements as raw little-endian bytes or in one of five typed lists;
 * here everything becomes raw bytes, as views of the file where it has them.
 * Source: ONNX, onnx.proto, message TensorProto.
 */
import { create } from '@bufbuild/protobuf';
import { TensorProtoSchema, TensorProto_DataLocation, TensorProto_DataType, type TensorProto } from 'onnx-buf';
import { ELEMENT_BYTES, type DataType } from '../../src/core/tensor/data-type.ts';
import type { Shape, Tensor } from '../../src/core/tensor/tensor.ts';
import { readExternalLocation, type ExternalLocation } from './external-location.ts';
import { invalidModel } from './invalid-model.ts';

/** Numbers of the element types that tilemesh computes with; others are carried along encoded. */
const TYPE_NUMBERS = {
  float32: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  float64: TensorProto_DataType.DOUBLE,
  int8: TensorProto_DataType.INT8,
  uint8: TensorProto_DataType.UINT8,
  int16: TensorProto_DataType.INT16,
  uint16: TensorProto_DataType.UINT16,
  int32: TensorProto_DataType.INT32,
  uint32: TensorProto_DataType.UINT32,
  int64: TensorProto_DataType.INT64,
  uint64: TensorProto_DataType.UINT64,
  bool: TensorProto_DataType.BOOL,
  bfloat16: TensorProto_DataType.BFLOAT16,
  string: TensorProto_DataType.STRING,
} as const satisfies Record<DataType, TensorProto_DataType>;

const TYPE_NAMES: ReadonlyMap<number, DataType> = new Map(
  (Object.keys(TYPE_NUMBERS) as DataType[]).map((name) => [TYPE_NUMBERS[name], name]),
);

export const typeNumber = (type: DataType): number => TYPE_NUMBERS[type];
export const typeName = (number: number): DataType | undefined => TYPE_NAMES.get(number);

export interface DecodedTensor {
  readonly type: DataType;
  readonly shape: Shape;
  /** Contiguous little-endian bytes, a view of the file where it holds them so; or where they are instead. */
  readonly content: Uint8Array | ExternalLocation;
}

/**
 * The tensor in `proto`, or undefined for element types that have no fixed size (strings) or that are unknown here.
 * Nothing is allocated before the sizes have been compared with what the file holds.
 * @throws MeshError INVALID_MODEL when type, shape and bytes contradict each other.
 */
export function decodeTensor(proto: TensorProto, name: string): DecodedTensor | undefined {
  const type = TYPE_NAMES.get(proto.dataType);
  const shape = decodeShape(proto, name);
  if (type === undefined || type === 'string') return undefined;
  const count = shape.reduce((product, extent) => product * extent, 1);
  const length = count * ELEMENT_BYTES[type];
  if (!Number.isSafeInteger(length)) {
    throw invalidModel(`tensor "${name}" has the absurd shape [${shape.join(', ')}]; export the model again`, {
      tensor: name,
    });
  }
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    return { type, shape, content: readExternalLocation(name, proto.externalData, length) };
  }
  const content = proto.rawData.byteLength > 0 ? proto.rawData : typedBytes(proto, type, count);
  if (content?.byteLength !== length) {
    throw invalidModel(
      `tensor "${name}" is ${type} [${shape.join(', ')}] and needs ${length} bytes, but the model has ${content?.byteLength ?? 'another number of them'}; the file is damaged or cut short: fetch or export it again`,
      { tensor: name },
    );
  }
  return { type, shape, content };
}

function decodeShape(proto: TensorProto, name: string): Shape {
  if (proto.segment !== undefined) {
    throw invalidModel(`tensor "${name}" is stored in segments, which no ONNX version in use reads; export it again`);
  }
  return proto.dims.map((dim) => {
    const extent = Number(dim);
    if (extent < 0 || !Number.isSafeInteger(extent)) {
      throw invalidModel(`tensor "${name}" has the dimension ${extent}; dimensions are whole numbers from 0 up`, {
        tensor: name,
      });
    }
    return extent;
  });
}

/** The elements of the typed list that ONNX prescribes for `type`, as bytes; undefined when it is not `count` long. */
function typedBytes(proto: TensorProto, type: DataType, count: number): Uint8Array | undefined {
  const list: readonly (number | bigint)[] = proto[TYPED_LISTS[type]];
  if (list.length !== count) return undefined;
  const bytes = new Uint8Array(count * ELEMENT_BYTES[type]);
  const view = new DataView(bytes.buffer);
  const write = WRITERS[type];
  const step = ELEMENT_BYTES[type];
  for (let index = 0; index < count; index++) write(view, index * step, list[index]!);
  return bytes;
}

type TypedList = 'floatData' | 'int32Data' | 'int64Data' | 'uint64Data' | 'doubleData';

const TYPED_LISTS: Readonly<Record<DataType, TypedList>> = {
  float32: 'floatData',
  float64: 'doubleData',
  int64: 'int64Data',
  uint64: 'uint64Data',
  uint32: 'uint64Data',
  int32: 'int32Data',
  int16: 'int32Data',
  uint16: 'int32Data',
  int8: 'int32Data',
  uint8: 'int32Data',
  bool: 'int32Data',
  float16: 'int32Data',
  bfloat16: 'int32Data',
  string: 'int32Data',
};

/** Half-precision types travel as their bit patterns in the low 16 bits of int32_data. */
const WRITERS: Readonly<Record<DataType, (view: DataView, offset: number, value: number | bigint) => void>> = {
  float32: (view, offset, value) => view.setFloat32(offset, Number(value), true),
  float64: (view, offset, value) => view.setFloat64(offset, Number(value), true),
  float16: (view, offset, value) => view.setUint16(offset, Number(value), true),
  bfloat16: (view, offset, value) => view.setUint16(offset, Number(value), true),
  int8: (view, offset, value) => view.setInt8(offset, Number(value)),
  uint8: (view, offset, value) => view.setUint8(offset, Number(value)),
  bool: (view, offset, value) => view.setUint8(offset, Number(value) === 0 ? 0 : 1),
  int16: (view, offset, value) => view.setInt16(offset, Number(value), true),
  uint16: (view, offset, value) => view.setUint16(offset, Number(value), true),
  int32: (view, offset, value) => view.setInt32(offset, Number(value), true),
  uint32: (view, offset, value) => view.setUint32(offset, Number(value), true),
  int64: (view, offset, value) => view.setBigInt64(offset, BigInt(value), true),
  uint64: (view, offset, value) => view.setBigUint64(offset, BigInt(value), true),
  string: () => {
    throw new TypeError('strings have no fixed size');
  },
};

/** Bytes over memory that is this process' own, as the generated code wants them. */
export const ownBytes = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);

export const encodeTensor = (name: string, tensor: Tensor): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dataType: TYPE_NUMBERS[tensor.type],
    dims: tensor.shape.map(BigInt),
    rawData: ownBytes(tensor.bytes),
  });

export const encodeExternalTensor = (
  name: string,
  type: DataType,
  shape: Shape,
  { location, offset, length }: ExternalLocation,
): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dataType: TYPE_NUMBERS[type],
    dims: shape.map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries({ location, offset, length }).map(([key, value]) => ({ key, value: String(value) })),
  });
