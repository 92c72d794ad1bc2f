/**
 * Requests and answers of the Open Inference Protocol, version 2, as JSON with or without the binary tensor extension.
 * https://github.com/open-inference/open-inference-protocol and the binary extension of Triton and KServe: tensor bytes
 * follow the JSON document, whose length the header `Inference-Header-Content-Length` gives.
 */
import * as v from 'valibot';
import { MeshError } from '../core/errors.ts';
import type { DataType } from '../core/tensor/data-type.ts';
import { byteLength, elementCount, fromNumbers, numberValues, type Tensor } from '../core/tensor/tensor.ts';

export const DATATYPES = {
  float32: 'FP32',
  float16: 'FP16',
  float64: 'FP64',
  int8: 'INT8',
  uint8: 'UINT8',
  int16: 'INT16',
  uint16: 'UINT16',
  int32: 'INT32',
  uint32: 'UINT32',
  int64: 'INT64',
  uint64: 'UINT64',
  bool: 'BOOL',
  bfloat16: 'BF16',
  string: 'BYTES',
} as const satisfies Record<DataType, string>;

/** Integers that JSON carries exactly, by type. */
const INTEGER_RANGES: Readonly<Partial<Record<DataType, readonly [number, number]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32_768, 32_767],
  uint16: [0, 65_535],
  int32: [-2_147_483_648, 2_147_483_647],
  uint32: [0, 4_294_967_295],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};
/** Types that JSON has no numbers for. */
const BINARY_ONLY: readonly DataType[] = ['float16', 'bfloat16'];
const MAX_TENSORS = 64;
const MAX_RANK = 16;

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(512));
const parameters = v.optional(v.record(v.string(), v.unknown()), {});
const requestSchema = v.object({
  id: v.optional(v.pipe(v.string(), v.maxLength(256))),
  parameters,
  inputs: v.pipe(
    v.array(
      v.object({
        name,
        datatype: v.string(),
        shape: v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.maxLength(MAX_RANK)),
        parameters,
        data: v.optional(v.union([v.array(v.unknown()), v.number(), v.boolean()])),
      }),
    ),
    v.maxLength(MAX_TENSORS),
  ),
  outputs: v.optional(v.pipe(v.array(v.object({ name, parameters })), v.maxLength(MAX_TENSORS))),
});

export interface OpenInferenceRequest {
  readonly id?: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Outputs asked for; absent: all. */
  readonly outputs?: readonly string[];
  /** Whether an output goes out as bytes after the document. */
  readonly isBinary: (output: string) => boolean;
}

const invalid = (message: string, cause?: unknown): MeshError => new MeshError('INVALID_INPUT', message, { cause });

/**
 * @param headerBytes length of the JSON document; undefined when it is the whole body
 * @throws MeshError INVALID_INPUT naming the field, PAYLOAD_TOO_LARGE for a document over `maxJsonBytes`.
 */
export function parseInferRequest(
  body: Uint8Array,
  headerBytes: number | undefined,
  maxJsonBytes: number,
): OpenInferenceRequest {
  const length = headerBytes ?? body.byteLength;
  if (!Number.isSafeInteger(length) || length < 0 || length > body.byteLength) {
    throw invalid('Inference-Header-Content-Length is not the length of a JSON document at the front of the body');
  }
  if (length > maxJsonBytes) {
    throw new MeshError(
      'PAYLOAD_TOO_LARGE',
      `a JSON document may have ${maxJsonBytes} bytes: send large tensors with the binary extension`,
    );
  }
  const request = validate(parseJson(body.subarray(0, length)));
  const inputs = new Map<string, Tensor>();
  let offset = length;
  for (const input of request.inputs) {
    if (inputs.has(input.name)) throw invalid(`input "${input.name}" is given twice`);
    const size = input.parameters.binary_data_size;
    const bytes = typeof size === 'number' ? body.subarray(offset, (offset += size)) : undefined;
    inputs.set(input.name, readTensor(input, bytes));
  }
  if (offset !== body.byteLength) throw invalid('the bytes after the JSON document do not add up to binary_data_size');
  const isBinaryByDefault = request.parameters.binary_data_output === true;
  const chosen = new Map(request.outputs?.map((output) => [output.name, output.parameters.binary_data]));
  return {
    ...(request.id === undefined ? {} : { id: request.id }),
    ...(request.outputs === undefined ? {} : { outputs: [...chosen.keys()] }),
    parameters: request.parameters,
    inputs,
    isBinary: (output) => {
      const choice = chosen.get(output);
      return typeof choice === 'boolean' ? choice : isBinaryByDefault;
    },
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid('the body is not a JSON document', cause);
  }
}

function validate(document: unknown): v.InferOutput<typeof requestSchema> {
  const result = v.safeParse(requestSchema, document, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw invalid(`${v.getDotPath(issue) ?? 'the request'} is not valid: ${issue.message}`);
}

type JsonInput = v.InferOutput<typeof requestSchema>['inputs'][number];

function readTensor(input: JsonInput, bytes: Uint8Array | undefined): Tensor {
  const type = (Object.keys(DATATYPES) as DataType[]).find((candidate) => DATATYPES[candidate] === input.datatype);
  if (type === undefined || type === 'string') {
    throw invalid(`input "${input.name}" has the datatype "${input.datatype.slice(0, 32)}", which is not supported`);
  }
  const count = elementCount(input.shape);
  if (bytes !== undefined) {
    if (bytes.byteLength !== byteLength(type, input.shape)) {
      throw invalid(
        `input "${input.name}" has ${bytes.byteLength} bytes where its shape needs ${byteLength(type, input.shape)}`,
      );
    }
    return { type, shape: input.shape, bytes };
  }
  if (BINARY_ONLY.includes(type)) throw invalid(`input "${input.name}": ${input.datatype} needs the binary extension`);
  const values = flatten(input, count);
  const range = INTEGER_RANGES[type];
  if (
    range !== undefined &&
    !values.every((value) => Number.isInteger(value) && value >= range[0] && value <= range[1])
  ) {
    throw invalid(`input "${input.name}" holds a value that is not an ${input.datatype}`);
  }
  return fromNumbers(type, input.shape, values);
}

/** Nested or flat lists of numbers or booleans, row-major; stops as soon as there are more than `count`. */
function flatten(input: JsonInput, count: number): number[] {
  const values: number[] = [];
  const visit = (item: unknown, depth: number): void => {
    if (Array.isArray(item) && depth <= MAX_RANK) {
      for (const inner of item) visit(inner, depth + 1);
    } else if (typeof item === 'number' || typeof item === 'boolean') {
      if (values.push(Number(item)) > count) throw miscounted(input, count);
    } else {
      throw invalid(`input "${input.name}" holds something that is not a number`);
    }
  };
  visit(input.data ?? [], 0);
  if (values.length !== count) throw miscounted(input, count);
  return values;
}

const miscounted = (input: JsonInput, count: number): MeshError =>
  invalid(
    `input "${input.name}" has the shape [${input.shape.join(', ')}] and so needs ${count} values, no more, no less`,
  );

export interface OpenInferenceReply {
  readonly body: Buffer;
  /** Length of the JSON document where tensor bytes follow it. */
  readonly headerBytes?: number;
}

/** Not-a-number and infinities become null in JSON, 64-bit integers are rounded beyond 2^53; bytes are exact. */
export function encodeInferReply(
  head: object,
  outputs: ReadonlyMap<string, Tensor>,
  isBinary: (output: string) => boolean,
): OpenInferenceReply {
  const blobs: Uint8Array[] = [];
  const tensors = [...outputs].map(([output, tensor]) => {
    const fields = { name: output, datatype: DATATYPES[tensor.type], shape: tensor.shape };
    if (!isBinary(output) && !BINARY_ONLY.includes(tensor.type)) return { ...fields, data: numberValues(tensor) };
    blobs.push(tensor.bytes);
    return { ...fields, parameters: { binary_data_size: tensor.bytes.byteLength } };
  });
  const document = Buffer.from(JSON.stringify({ ...head, outputs: tensors }));
  if (blobs.length === 0) return { body: document };
  return { body: Buffer.concat([document, ...blobs]), headerBytes: document.byteLength };
}
