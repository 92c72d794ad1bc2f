/** JSON from outside: bounded in size and depth, and weighed, before it is parsed. */
import { MeshError } from '../../core/errors.ts';

/** The protocol nests tensors as deep as their rank; nothing needs more. */
export const MAX_JSON_DEPTH = 32;
/** Lists, objects and members together: each becomes some 40 to 70 bytes of memory, of three that were sent. */
export const MAX_JSON_PARTS = 2 ** 18;
/** Memory for each byte that was received, of texts and numbers; those of small documents may take `FREE_BYTES` in any case. */
const MAX_AMPLIFICATION = 4;
const FREE_BYTES = 2 ** 20;

/** What becomes of a document in V8: a place in its list for each value, and what objects, texts, and numbers among texts take. */
const [PLACE_BYTES, OBJECT_BYTES, TEXT_BYTES, NUMBER_BYTES] = [8, 64, 24, 16];

const code = (character: string): number => character.charCodeAt(0);
const [QUOTE, BACKSLASH, COMMA, COLON, MINUS] = [code('"'), code('\\'), code(','), code(':'), code('-')];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [code('['), code(']'), code('{'), code('}')];
const [ZERO, NINE, FIRST_LETTER, PAST_ASCII] = [code('0'), code('9'), code('a'), 0x80];

/** @throws MeshError INVALID_INPUT */
function checkStructure(bytes: Uint8Array): void {
  let depth = 0;
  let parts = 0;
  let weight = 0;
  /** Of the list at each depth: its numbers, and whether it has anything else. */
  const numbers = new Uint32Array(MAX_JSON_DEPTH + 1);
  const isMixed = new Uint8Array(MAX_JSON_DEPTH + 1);
  let isNumber = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!;
    const wasNumber = isNumber;
    isNumber = false;
    if ((byte >= ZERO && byte <= NINE) || byte === MINUS) {
      isNumber = true;
      if (!wasNumber) numbers[depth]! += 1;
    } else if (byte === COMMA) {
      weight += PLACE_BYTES;
    } else if (byte === QUOTE) {
      const end = endOfText(bytes, index + 1);
      weight += TEXT_BYTES + charBytes(bytes, index + 1, end) * (end - index);
      index = end;
      isMixed[depth] = 1;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      parts++;
      if (byte === OPEN_OBJECT) weight += OBJECT_BYTES;
      isMixed[depth] = 1;
      if (++depth > MAX_JSON_DEPTH) {
        throw new MeshError('INVALID_INPUT', `the JSON document is nested deeper than ${MAX_JSON_DEPTH} levels`);
      }
      numbers[depth] = 0;
      isMixed[depth] = 0;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      weight += isMixed[depth]! * numbers[depth]! * NUMBER_BYTES;
      if (depth > 0) depth--;
    } else if (byte === COLON) {
      parts++;
    } else if (wasNumber) {
      // A point or an exponent.
      isNumber = true;
    } else if (byte >= FIRST_LETTER) {
      isMixed[depth] = 1;
    }
  }
  if (parts > MAX_JSON_PARTS) {
    throw new MeshError(
      'INVALID_INPUT',
      `the JSON document has more than ${MAX_JSON_PARTS} lists, objects and members: send data as one flat list, or with the binary extension`,
    );
  }
  const allowed = MAX_AMPLIFICATION * bytes.byteLength + FREE_BYTES;
  if (weight > allowed) {
    throw new MeshError(
      'INVALID_INPUT',
      `the objects, texts and numbers of a JSON document of ${bytes.byteLength} bytes would take more than ${allowed} in memory: send data with the binary extension`,
    );
  }
}

/** Where the quote stands that ends a text, or the document where there is none. */
function endOfText(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** Memory for each byte of a text: characters take two bytes once one of them does not fit in one. */
function charBytes(bytes: Uint8Array, start: number, end: number): 1 | 2 {
  for (let at = start; at < end; at++) if (bytes[at]! >= PAST_ASCII || bytes[at] === BACKSLASH) return 2;
  return 1;
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
