/** The constant tensors of a model: small ones with their bytes, large ones laid out in the weight blob. */
import { create } from '@bufbuild/protobuf';
import { TensorProtoSchema, type NodeProto, type TensorProto } from 'onnx-buf';
import { MeshError } from '../../src/core/errors.ts';
import type { Weight } from '../../src/core/graph/graph.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import type { ExternalLocation } from './external-location.ts';
import { invalidModel } from './invalid-model.ts';
import { decodeTensor, typeNumber } from './tensor-proto.ts';

/** Largest constant, in bytes, that a graph carries along; larger ones are weights. */
export const MAX_CONSTANT_BYTES = 4096;
/** The same for integer types, which hold shapes, indices and axes that planning must see. */
export const MAX_INTEGER_CONSTANT_BYTES = 65_536;
/** Weights start at multiples of this in the weight blob: a cache line, and what vector loads ask for. */
export const WEIGHT_ALIGNMENT_BYTES = 64;

const maxConstantBytes = (type: DataType): number =>
  /^(u?int|bool)/.test(type) ? MAX_INTEGER_CONSTANT_BYTES : MAX_CONSTANT_BYTES;

/** @param tensor whose data it is, for messages. */
export type ReadExternal = (location: ExternalLocation, tensor: string) => Uint8Array;

export interface Initializers {
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly weights: ReadonlyMap<string, Weight>;
  /** Bytes from the start of the weight blob to the end of its last weight. */
  readonly blobBytes: number;
  /** False for a tensor that has to stay encoded: of strings, or of a type unknown here. */
  add(name: string, proto: TensorProto): boolean;
  /** @throws MeshError INVALID_ARGUMENT when `name` is no weight. */
  bytesOf(name: string): Uint8Array | ExternalLocation;
}

/** An empty collection; offsets in the weight blob are given out in the order of `add`. */
export function collectInitializers(readExternal: ReadExternal | undefined): Initializers {
  const constants = new Map<string, Tensor>();
  const weights = new Map<string, Weight>();
  const contents = new Map<string, Uint8Array | ExternalLocation>();
  let blobBytes = 0;
  return {
    constants,
    weights,
    get blobBytes() {
      return blobBytes;
    },
    add(name, proto) {
      if (name === '') throw invalidModel('an initializer has no name; export the model again');
      if (constants.has(name) || weights.has(name)) {
        throw invalidModel(`the constant "${name}" is defined twice; export the model again`, { tensor: name });
      }
      const decoded = decodeTensor(proto, name);
      if (decoded === undefined) return false;
      const { type, shape, content } = decoded;
      const length = content instanceof Uint8Array ? content.byteLength : content.length;
      const small = length <= maxConstantBytes(type) ? smallBytes(name, content, readExternal) : undefined;
      if (small !== undefined) {
        constants.set(name, { type, shape, bytes: small });
        return true;
      }
      const offset = Math.ceil(blobBytes / WEIGHT_ALIGNMENT_BYTES) * WEIGHT_ALIGNMENT_BYTES;
      weights.set(name, { type, shape, offset });
      contents.set(name, content);
      blobBytes = offset + length;
      return true;
    },
    bytesOf(name) {
      const content = contents.get(name);
      if (content !== undefined) return content;
      throw new MeshError('INVALID_ARGUMENT', `the model has no weight "${name}"; ask for one of graph.weights`);
    },
  };
}

/** A copy, so that no constant keeps the whole file in memory. */
function smallBytes(
  name: string,
  content: Uint8Array | ExternalLocation,
  readExternal: ReadExternal | undefined,
): Uint8Array | undefined {
  if (content instanceof Uint8Array) return Uint8Array.from(content);
  const bytes = readExternal?.(content, name);
  if (bytes === undefined || bytes.byteLength === content.length) return bytes;
  throw invalidModel(
    `the external data of "${name}" in ${content.location} should be ${content.length} bytes, but ${bytes.byteLength} are there; copy the file again`,
    { tensor: name },
  );
}

/** The tensor that a Constant node yields, or undefined for other nodes and for constants that must stay nodes. */
export function constantOf(node: NodeProto): TensorProto | undefined {
  if (node.opType !== 'Constant' || (node.domain !== '' && node.domain !== 'ai.onnx')) return undefined;
  if (node.output.length !== 1 || node.attribute.length !== 1) return undefined;
  const attribute = node.attribute[0]!;
  const list = (
    type: DataType,
    dims: readonly number[],
    values: Partial<Pick<TensorProto, 'floatData' | 'int64Data'>>,
  ): TensorProto => create(TensorProtoSchema, { dataType: typeNumber(type), dims: dims.map(BigInt), ...values });
  switch (attribute.name) {
    case 'value':
      return attribute.t;
    case 'value_float':
      return list('float32', [], { floatData: [attribute.f] });
    case 'value_floats':
      return list('float32', [attribute.floats.length], { floatData: attribute.floats });
    case 'value_int':
      return list('int64', [], { int64Data: [attribute.i] });
    case 'value_ints':
      return list('int64', [attribute.ints.length], { int64Data: attribute.ints });
    default:
      return undefined;
  }
}
