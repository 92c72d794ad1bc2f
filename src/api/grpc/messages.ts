/** Between the messages of the gRPC form and what the service asks and answers. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { MeshError } from '../../core/errors.ts';
import type { DataType } from '../../core/tensor/data-type.ts';
import { byteLength, elementCount, fromNumbers, type Shape } from '../../core/tensor/tensor.ts';
import type {
  InferParameter,
  InferTensorContents,
  ModelInferRequest,
  ModelInferRequest_InferInputTensor as InputTensor,
  ModelInferResponseSchema,
} from '../../../protocols/inference/inference_pb.js';
import { BINARY_ONLY, DATATYPES, isInRange, typeOf } from '../open-inference/datatypes.ts';
import { wantedOutput, type Question } from '../open-inference/question.ts';
import { replyParameters, type Reply } from '../open-inference/service.ts';
import { byteStrings, isByteStrings, joinElements, type Value } from '../open-inference/values.ts';

const MAX_TENSORS = 64;
const MAX_RANK = 16;

const invalid = (message: string): MeshError => new MeshError('INVALID_INPUT', message);

type Parameters = Readonly<Record<string, InferParameter>>;

const plain = (parameters: Parameters): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(parameters).map(
      ([
        name,
        {
          parameterChoice: { value },
        },
      ]) => [name, typeof value === 'bigint' ? Number(value) : value],
    ),
  );

/** @throws MeshError INVALID_INPUT naming the field, INVALID_ARGUMENT. */
export function readRequest(request: ModelInferRequest): Question {
  const { inputs, outputs, rawInputContents: raw, id } = request;
  if (inputs.length > MAX_TENSORS || outputs.length > MAX_TENSORS) {
    throw invalid(`a request may have ${MAX_TENSORS} inputs and as many outputs`);
  }
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw invalid(
      `raw_input_contents has ${raw.length} elements for ${inputs.length} inputs: give all of them so, or none`,
    );
  }
  const values = new Map<string, Value>();
  inputs.forEach((input, index) => {
    if (values.has(input.name)) throw invalid(`input "${input.name}" is given twice`);
    values.set(input.name, readInput(input, raw[index]));
  });
  return {
    ...(id === '' ? {} : { id }),
    parameters: plain(request.parameters),
    inputs: values,
    ...(outputs.length === 0
      ? {}
      : { outputs: outputs.map(({ name, parameters }) => wantedOutput(name, plain(parameters))) }),
  };
}

function readInput({ name, datatype, shape: extents, contents }: InputTensor, raw: Uint8Array | undefined): Value {
  const type = typeOf(datatype);
  if (type === undefined) {
    throw invalid(`input "${name}" has the datatype "${datatype.slice(0, 32)}", which does not exist`);
  }
  const shape = extents.map(Number);
  if (shape.length > MAX_RANK || !shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw invalid(`the shape of input "${name}" is not valid: up to ${MAX_RANK} extents, none of them negative`);
  }
  if (raw === undefined) return readContents(name, type, shape, contents);
  if (contents !== undefined) throw invalid(`input "${name}" has contents beside raw_input_contents: give one of them`);
  if (type === 'string') return byteStrings(name, shape, raw);
  if (raw.byteLength !== byteLength(type, shape)) {
    throw invalid(`input "${name}" has ${raw.byteLength} bytes where its shape needs ${byteLength(type, shape)}`);
  }
  return { type, shape, bytes: raw };
}

type Field = Exclude<keyof InferTensorContents, '$typeName' | '$unknown'>;

const FIELDS: Readonly<Partial<Record<DataType, Field>>> = {
  bool: 'boolContents',
  int8: 'intContents',
  int16: 'intContents',
  int32: 'intContents',
  int64: 'int64Contents',
  uint8: 'uintContents',
  uint16: 'uintContents',
  uint32: 'uintContents',
  uint64: 'uint64Contents',
  float32: 'fp32Contents',
  float64: 'fp64Contents',
  string: 'bytesContents',
};

function readContents(name: string, type: DataType, shape: Shape, contents: InferTensorContents | undefined): Value {
  const field = FIELDS[type];
  if (field === undefined || BINARY_ONLY.includes(type)) {
    throw invalid(`input "${name}": ${DATATYPES[type]} is sent in raw_input_contents`);
  }
  const elements = contents?.[field] ?? [];
  const count = elementCount(shape);
  if (elements.length !== count) {
    throw invalid(`input "${name}" has ${elements.length} values in ${field} where its shape needs ${count}`);
  }
  if (type === 'string') return { type, shape, elements: elements as readonly Uint8Array[] };
  // The fields of 64-bit integers hold those and no others.
  if (type === 'int64') return wide(type, shape, BigInt64Array.from(elements as readonly bigint[]));
  if (type === 'uint64') return wide(type, shape, BigUint64Array.from(elements as readonly bigint[]));
  const numbers = (elements as readonly (number | boolean)[]).map(Number);
  if (!isInRange(type, numbers)) throw invalid(`input "${name}" holds a value that is not an ${DATATYPES[type]}`);
  return fromNumbers(type, shape, numbers);
}

const wide = (type: DataType, shape: Shape, { buffer }: BigInt64Array | BigUint64Array): Value => ({
  type,
  shape,
  bytes: new Uint8Array(buffer),
});

const parameterChoice = (value: string | number) =>
  typeof value === 'string' ? ({ case: 'stringParam', value } as const) : ({ case: 'doubleParam', value } as const);

/** Outputs go out as bytes, the form that carries every datatype. */
export function writeResponse(reply: Reply, id: string): MessageInitShape<typeof ModelInferResponseSchema> {
  const { report, outputs } = reply;
  return {
    modelName: report.model,
    modelVersion: report.modelId,
    id,
    parameters: Object.fromEntries(
      Object.entries(replyParameters(reply)).map(([name, value]) => [
        name,
        { parameterChoice: parameterChoice(value) },
      ]),
    ),
    outputs: [...outputs].map(([name, { type, shape }]) => ({
      name,
      datatype: DATATYPES[type],
      shape: shape.map(BigInt),
    })),
    rawOutputContents: [...outputs.values()].map((value) =>
      isByteStrings(value) ? joinElements(value.elements) : value.bytes,
    ),
  };
}
