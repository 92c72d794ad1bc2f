/** JSON from outside: bounded in size and depth before it is parsed. */
import { MeshError } from '../../core/errors.ts';

/** The protocol nests tensors as deep as their rank; nothing needs more. */
export const MAX_JSON_DEPTH = 32;
/** Lists, objects and members together: each becomes some 40 to 70 bytes of memory, of three that were sent. */
export const MAX_JSON_PARTS = 2 ** 18;

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT, COLON] = Buffer.from(
  '"\\[]{}:',
) as unknown as [number, number, number, number, number, number, number];

/** @throws MeshError INVALID_INPUT */
function checkStructure(bytes: Uint8Array): void {
  let depth = 0;
  let parts = 0;
  let isText = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (isText) {
      if (byte === BACKSLASH) index++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) {
      isText = true;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      parts++;
      if (++depth > MAX_JSON_DEPTH) {
        throw new MeshError('INVALID_INPUT', `the JSON document is nested deeper than ${MAX_JSON_DEPTH} levels`);
      }
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      depth--;
    } else if (byte === COLON) {
      parts++;
    }
  }
  if (parts > MAX_JSON_PARTS) {
    throw new MeshError(
      'INVALID_INPUT',
      `the JSON document has more than ${MAX_JSON_PARTS} lists, objects and members: send data as one flat list, or with the binary extension`,
    );
  }
}

/** @throws MeshError INVALID_INPUT, PAYLOAD_TOO_LARGE for a document of more than `maxBytes`. */
export function parseJson(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.byteLength > maxBytes) {
    throw new MeshError(
      'PAYLOAD_TOO_LARGE',
      `a JSON document may have ${maxBytes} bytes: send large tensors with the binary extension`,
    );
  }
  checkStructure(bytes);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new MeshError('INVALID_INPUT', 'the body is not a JSON document', { cause });
  }
}
