/** Answers of the Open Inference Protocol over HTTP: a JSON document, and the bytes of the outputs that go as such. */
import { numberValues, type Tensor } from '../../core/tensor/tensor.ts';
import { BINARY_ONLY, DATATYPES } from './datatypes.ts';
import { isByteStrings, joinElements, type Value } from './values.ts';

export interface HttpReply {
  /** To be sent one after the other. */
  readonly parts: readonly Uint8Array[];
  /** Length of the JSON document where tensor bytes follow it. */
  readonly headerBytes?: number;
}

/**
 * Bytes are exact. In JSON, not-a-number and infinities become null, 64-bit integers are rounded beyond 2^53, and byte
 * strings are read as UTF-8.
 */
export function encodeInferReply(
  head: object,
  outputs: ReadonlyMap<string, Value>,
  isBinary: (output: string) => boolean,
): HttpReply {
  const blobs: Uint8Array[] = [];
  const described = [...outputs].map(([output, value]) => {
    const fields = { name: output, datatype: DATATYPES[value.type], shape: value.shape };
    if (!isBinary(output) && !BINARY_ONLY.includes(value.type)) return { ...fields, data: jsonElements(value) };
    const bytes = isByteStrings(value) ? joinElements(value.elements) : value.bytes;
    blobs.push(bytes);
    return { ...fields, parameters: { binary_data_size: bytes.byteLength } };
  });
  const document = Buffer.from(JSON.stringify({ ...head, outputs: described }));
  if (blobs.length === 0) return { parts: [document] };
  return { parts: [document, ...blobs], headerBytes: document.byteLength };
}

function jsonElements(value: Value): (number | boolean | string)[] {
  if (isByteStrings(value)) return value.elements.map((element) => Buffer.from(element).toString());
  const numbers = numberValues(value satisfies Tensor);
  return value.type === 'bool' ? numbers.map((number) => number !== 0) : numbers;
}
