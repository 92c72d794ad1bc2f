/**
 * Requests of the Open Inference Protocol, version 2, over HTTP: JSON with or without the binary tensor extension.
 * https://github.com/open-inference/open-inference-protocol and the binary extension of Triton and KServe: tensor bytes
 * follow the JSON document, whose length the header `Inference-Header-Content-Length` gives; a length of 0 marks a body that
 * is nothing but the bytes of the only input.
 */
import * as v from 'valibot';
import { MeshError } from '../../core/errors.ts';
import { byteLength, elementCount, fromNumbers } from '../../core/tensor/tensor.ts';
import { BINARY_ONLY, isInRange, typeOf } from './datatypes.ts';
import { parseJson } from './json.ts';
import { wantedOutput, type Question } from './question.ts';
import { byteStrings, type Value } from './values.ts';

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
        /** Each element is looked at once, by `flatten`. */
        data: v.optional(v.unknown()),
      }),
    ),
    v.maxLength(MAX_TENSORS),
  ),
  outputs: v.optional(v.pipe(v.array(v.object({ name, parameters })), v.maxLength(MAX_TENSORS))),
});

export interface HttpQuestion extends Question {
  /** Whether an output goes out as bytes after the document. */
  readonly isBinary: (output: string) => boolean;
}

const invalid = (message: string): MeshError => new MeshError('INVALID_INPUT', message);

/**
 * @param headerBytes length of the JSON document; undefined when it is the whole body
 * @throws MeshError INVALID_INPUT naming the field, PAYLOAD_TOO_LARGE for a document over `maxJsonBytes`.
 */
export function parseInferRequest(
  body: Uint8Array,
  headerBytes: number | undefined,
  maxJsonBytes: number,
): HttpQuestion {
  if (headerBytes === 0) return { parameters: {}, inputs: body, isBinary: () => true };
  const length = headerBytes ?? body.byteLength;
  if (!Number.isSafeInteger(length) || length < 0 || length > body.byteLength) {
    throw invalid('Inference-Header-Content-Length is not the length of a JSON document at the front of the body');
  }
  const request = validate(parseJson(body.subarray(0, length), maxJsonBytes));
  const inputs = new Map<string, Value>();
  let offset = length;
  for (const input of request.inputs) {
    if (inputs.has(input.name)) throw invalid(`input "${input.name}" is given twice`);
    const size = input.parameters.binary_data_size;
    const bytes = typeof size === 'number' ? body.subarray(offset, (offset += size)) : undefined;
    inputs.set(input.name, readValue(input, bytes));
  }
  if (offset !== body.byteLength) throw invalid('the bytes after the JSON document do not add up to binary_data_size');
  const isBinaryByDefault = request.parameters.binary_data_output === true;
  const chosen = new Map(request.outputs?.map((output) => [output.name, output.parameters]));
  return {
    ...(request.id === undefined ? {} : { id: request.id }),
    ...(chosen.size === 0 ? {} : { outputs: [...chosen].map(([output, choice]) => wantedOutput(output, choice)) }),
    parameters: request.parameters,
    inputs,
    isBinary: (output) => {
      const choice = chosen.get(output)?.binary_data;
      return typeof choice === 'boolean' ? choice : isBinaryByDefault;
    },
  };
}

function validate(document: unknown): v.InferOutput<typeof requestSchema> {
  const result = v.safeParse(requestSchema, document, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw invalid(`${v.getDotPath(issue) ?? 'the request'} is not valid: ${issue.message}`);
}

type JsonInput = v.InferOutput<typeof requestSchema>['inputs'][number];

function readValue(input: JsonInput, bytes: Uint8Array | undefined): Value {
  const type = typeOf(input.datatype);
  if (type === undefined) {
    throw invalid(`input "${input.name}" has the datatype "${input.datatype.slice(0, 32)}", which does not exist`);
  }
  const count = elementCount(input.shape);
  if (type === 'string') {
    if (bytes !== undefined) return byteStrings(input.name, input.shape, bytes);
    const texts = flatten(input, count, 'a text', (item) => (typeof item === 'string' ? item : undefined));
    // As other servers name it: what is no text, a picture say, in base64.
    const encoding = input.parameters.content_type === 'base64' ? 'base64' : 'utf8';
    return { type, shape: input.shape, elements: texts.map((text) => Buffer.from(text, encoding)) };
  }
  if (bytes !== undefined) {
    if (bytes.byteLength !== byteLength(type, input.shape)) {
      throw invalid(
        `input "${input.name}" has ${bytes.byteLength} bytes where its shape needs ${byteLength(type, input.shape)}`,
      );
    }
    return { type, shape: input.shape, bytes };
  }
  if (BINARY_ONLY.includes(type)) throw invalid(`input "${input.name}": ${input.datatype} needs the binary extension`);
  const values = flatten(input, count, 'a number', numberOf);
  if (!isInRange(type, values)) throw invalid(`input "${input.name}" holds a value that is not an ${input.datatype}`);
  return fromNumbers(type, input.shape, values);
}

const numberOf = (item: unknown): number | undefined =>
  typeof item === 'number' ? item : typeof item === 'boolean' ? Number(item) : undefined;

/** Nested or flat lists, row-major; stops as soon as there are more than `count`. */
function flatten<Element>(
  input: JsonInput,
  count: number,
  wanted: string,
  read: (item: unknown) => Element | undefined,
): Element[] {
  const values: Element[] = [];
  const visit = (item: unknown, depth: number): void => {
    if (Array.isArray(item) && depth <= MAX_RANK) {
      for (const inner of item) visit(inner, depth + 1);
      return;
    }
    const value = read(item);
    if (value === undefined) throw invalid(`input "${input.name}" holds something that is not ${wanted}`);
    if (values.push(value) > count) throw miscounted(input, count);
  };
  visit(input.data ?? [], 0);
  if (values.length !== count) throw miscounted(input, count);
  return values;
}

const miscounted = (input: JsonInput, count: number): MeshError =>
  invalid(
    `input "${input.name}" has the shape [${input.shape.join(', ')}] and so needs ${count} values, no more, no less`,
  );
