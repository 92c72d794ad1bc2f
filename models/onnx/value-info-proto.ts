/**
 * Declared inputs and outputs, both ways. Dimensions left open get names, so that they can be bound at request time.
 * Source: ONNX, onnx.proto, messages ValueInfoProto and TensorShapeProto.
 */
import { create } from '@bufbuild/protobuf';
import { ValueInfoProtoSchema, type TensorShapeProto, type ValueInfoProto } from 'onnx-buf';
import type { ValueInfo } from '../../src/core/graph/graph.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import { invalidModel } from './invalid-model.ts';
import { typeName, typeNumber } from './tensor-proto.ts';

/** The only dimension of an output for which the file declares no shape at all. */
export const UNKNOWN_RANK = '...';

/** @throws MeshError INVALID_MODEL for what is no tensor, and for inputs of unknown rank. */
export function decodeValueInfo(proto: ValueInfoProto, role: 'input' | 'output'): ValueInfo {
  const { name } = proto;
  const declared = proto.type?.value;
  const type = declared?.case === 'tensorType' ? typeName(declared.value.elemType) : undefined;
  if (declared?.case !== 'tensorType' || type === undefined) {
    throw invalidModel(
      `${role} "${name}" is not a tensor of a known element type (${declared?.case ?? 'no type'}); export the model with tensors as inputs and outputs`,
      { value: name },
    );
  }
  const { shape } = declared.value;
  if (shape === undefined) {
    if (role === 'output') return { name, type, dims: [UNKNOWN_RANK] };
    throw invalidModel(`input "${name}" has no shape; export the model with its rank, its dimensions may stay open`, {
      value: name,
    });
  }
  return { name, type, dims: decodeDims(name, shape) };
}

function decodeDims(name: string, shape: TensorShapeProto): (number | string)[] {
  return shape.dim.map(({ value }, axis) => {
    if (value.case === 'dimParam' && value.value !== '') return value.value;
    // Some exporters write -1 for a dimension that is open.
    if (value.case !== 'dimValue' || value.value === -1n) return `${name}_${axis}`;
    const extent = Number(value.value);
    if (extent >= 0 && Number.isSafeInteger(extent)) return extent;
    throw invalidModel(`dimension ${axis} of "${name}" is ${extent}; export the model again`, { value: name });
  });
}

/** `dims` undefined: of unknown rank. */
export function encodeValueInfo(name: string, type: DataType, dims?: readonly (number | string)[]): ValueInfoProto {
  const shape = dims === undefined || dims[0] === UNKNOWN_RANK ? undefined : { dim: dims.map(encodeDim) };
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: { elemType: typeNumber(type), ...(shape === undefined ? {} : { shape }) },
      },
    },
  });
}

const encodeDim = (
  dim: number | string,
): { value: { case: 'dimParam'; value: string } | { case: 'dimValue'; value: bigint } } => ({
  value: typeof dim === 'string' ? { case: 'dimParam', value: dim } : { case: 'dimValue', value: BigInt(dim) },
});
