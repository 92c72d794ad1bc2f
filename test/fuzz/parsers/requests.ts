/** What clients send to the API: bodies of the Open Inference Protocol in its forms, and what headers say. */
import { create, toBinary } from '@bufbuild/protobuf';
import { ModelInferRequestSchema, type ModelInferRequest } from '../../../protocols/inference/inference_pb.js';
import { SERVICE } from '../../../src/api/grpc/definition.ts';
import { readRequest } from '../../../src/api/grpc/messages.ts';
import { objectionTo } from '../../../src/api/guard.ts';
import { parseJson } from '../../../src/api/open-inference/json.ts';
import { runOptions } from '../../../src/api/open-inference/question.ts';
import { parseInferRequest } from '../../../src/api/open-inference/request.ts';
import { parseDeadlineMs, parseParallelism, parseRequestId, parseVerify } from '../../../src/api/query.ts';
import { continueTrace } from '../../../src/api/trace-context.ts';
import type { Parser } from '../engine/parser.ts';
import { JSON_WORDS, json, REQUEST_ID, text } from './samples.ts';

const REFUSALS = ['INVALID_INPUT', 'INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE'] as const;
const MAX_JSON_BYTES = 2 ** 20;
const LENGTH_BYTES = 4;

const INPUT = { name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2.5, -3, 4e3] };
const ENCODED = {
  name: 't',
  datatype: 'BYTES',
  shape: [1],
  data: ['YQ=='],
  parameters: { content_type: 'base64' },
};
const BINARY = { name: 'y', datatype: 'INT64', shape: [2], parameters: { binary_data_size: 16 } };
const documentOf = (...inputs: readonly object[]): Uint8Array =>
  json({
    id: REQUEST_ID,
    parameters: { parallelism: 2, deadline_ms: 1000, binary_data_output: true, verify: 'all' },
    inputs,
    outputs: [{ name: 'z', parameters: { binary_data: true, classification: 3 } }],
  });
const DOCUMENT = documentOf(INPUT, BINARY, ENCODED);

/** In front of a body, how long its document is said to be. */
const withLength = (length: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const head = Buffer.alloc(LENGTH_BYTES);
  head.writeUInt32LE(length);
  return new Uint8Array(Buffer.concat([head, ...parts]));
};

const question = (request: ModelInferRequest): unknown => {
  const asked = readRequest(request);
  return [asked, runOptions(asked.parameters)];
};

const inferRequest = toBinary(
  ModelInferRequestSchema,
  create(ModelInferRequestSchema, {
    modelName: 'double',
    id: REQUEST_ID,
    parameters: { parallelism: { parameterChoice: { case: 'int64Param', value: 2n } } },
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [1n, 2n], contents: { fp32Contents: [1, 2] } },
      { name: 'i', datatype: 'INT64', shape: [2n], contents: { int64Contents: [1n, -2n] } },
      { name: 't', datatype: 'BYTES', shape: [1n], contents: { bytesContents: [new Uint8Array(3)] } },
    ],
    outputs: [{ name: 'z' }],
  }),
);
const rawRequest = toBinary(
  ModelInferRequestSchema,
  create(ModelInferRequestSchema, {
    modelName: 'double',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 2n] }],
    rawInputContents: [new Uint8Array(8)],
  }),
);

const HEADERS: Readonly<Record<string, (value: string) => unknown>> = {
  traceparent: continueTrace,
  authorization: (value) => objectionTo(value, 'a token') ?? 'let in',
  parallelism: parseParallelism,
  deadline: parseDeadlineMs,
  verify: parseVerify,
  request: parseRequestId,
};

export const REQUESTS: readonly Parser[] = [
  {
    name: 'infer-json',
    seeds: () => [
      documentOf(INPUT, ENCODED),
      json({
        inputs: [
          {
            name: 'x',
            datatype: 'FP32',
            shape: [2, 2],
            data: [
              [1, 2],
              [3, 4],
            ],
          },
        ],
      }),
    ],
    parse: (bytes) => {
      const asked = parseInferRequest(bytes, undefined, MAX_JSON_BYTES);
      return [asked, runOptions(asked.parameters)];
    },
    refusals: REFUSALS,
    words: [...JSON_WORDS, 'binary_data_size', 'FP16', 'BOOL', 'UINT64', 'BYTES', 'deadline_ms', 'base64'],
  },
  {
    name: 'infer-binary',
    seeds: () => [withLength(DOCUMENT.byteLength, DOCUMENT, new Uint8Array(16)), withLength(0, new Uint8Array(16))],
    parse: (bytes) => {
      if (bytes.byteLength < LENGTH_BYTES) return null;
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
      return parseInferRequest(bytes.subarray(LENGTH_BYTES), length, MAX_JSON_BYTES);
    },
    refusals: REFUSALS,
    words: [...JSON_WORDS, 'binary_data_size', 'BYTES', '-1', '1e9'],
    // Mostly right, so that more than the length is looked at.
    mend: (bytes) => {
      const end = bytes.lastIndexOf(0x7d);
      return end < LENGTH_BYTES ? bytes : withLength(end + 1 - LENGTH_BYTES, bytes.subarray(LENGTH_BYTES));
    },
  },
  {
    name: 'infer-grpc',
    seeds: () => [inferRequest, rawRequest],
    parse: (bytes) =>
      question(
        SERVICE.modelInfer!.requestDeserialize(
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        ) as ModelInferRequest,
      ),
    refusals: REFUSALS,
  },
  {
    name: 'json',
    seeds: () => [json({ inputs: 'aGVsbG8=', parameters: { top_k: 3 } }), json([[1], [[2]], 'x'])],
    parse: (bytes) => parseJson(bytes, MAX_JSON_BYTES),
    refusals: REFUSALS,
    words: JSON_WORDS,
  },
  {
    name: 'headers',
    seeds: () =>
      [
        `traceparent: 00-${'4b'.repeat(16)}-${'0f'.repeat(8)}-01`,
        'authorization: Bearer abc',
        'parallelism: 4',
        'deadline: 100',
        'verify: all',
        `request: ${REQUEST_ID}`,
      ].map((line) => new TextEncoder().encode(line)),
    parse: (bytes) => {
      const [name = '', value = ''] = text(bytes).split(': ', 2);
      return HEADERS[name]?.(value) ?? null;
    },
    refusals: REFUSALS,
    words: Object.keys(HEADERS).map((name) => `${name}: `),
  },
];
