/** JSON from outside: bounded in size and depth before it is parsed. */
import { MeshError } from '../../core/errors.ts';

/** The protocol nests tensors as deep as their rank; nothing needs more. */
export const MAX_JSON_DEPTH = 32;

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('"\\[]{}') as unknown as [
  number,
  number,
  number,
  number,
  number,
  number,
];

function isDeeperThan(bytes: Uint8Array, limit: number): boolean {
  let depth = 0;
  let isText = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (isText) {
      if (byte === BACKSLASH) index++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) {
      isText = true;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > limit) return true;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      depth--;
    }
  }
  return false;
}

/** @throws MeshError INVALID_INPUT, PAYLOAD_TOO_LARGE for a document of more than `maxBytes`. */
export function parseJson(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.byteLength > maxBytes) {
    throw new MeshError(
      'PAYLOAD_TOO_LARGE',
      `a JSON document may have ${maxBytes} bytes: send large tensors with the binary extension`,
    );
  }
  if (isDeeperThan(bytes, MAX_JSON_DEPTH)) {
    throw new MeshError('INVALID_INPUT', `the JSON document is nested deeper than ${MAX_JSON_DEPTH} levels`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new MeshError('INVALID_INPUT', 'the body is not a JSON document', { cause });
  }
}
