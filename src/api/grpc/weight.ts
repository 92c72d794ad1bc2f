/**
 * What a message will take in memory once it is built, told from its bytes. A short one can make many objects (an empty tensor,
 * or a 64-bit number in one byte), so it is weighed before anything is built from it.
 */
import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { MeshError } from '../../core/errors.ts';

/** For each byte that was received; small messages may take `FREE_BYTES` in any case. */
const MAX_AMPLIFICATION = 4;
const FREE_BYTES = 1 << 20;
const MAX_DEPTH = 8;

/** What Node takes for an object with its properties, for a view of bytes or a text, and for an element of a list. */
const MESSAGE_BYTES = 200;
const VIEW_BYTES = 120;
const NUMBER_BYTES = 8;
const BIGINT_BYTES = 32;

const LONG = new Set([ScalarType.INT64, ScalarType.UINT64, ScalarType.SINT64, ScalarType.FIXED64, ScalarType.SFIXED64]);
const OF_FOUR_BYTES = new Set([ScalarType.FLOAT, ScalarType.FIXED32, ScalarType.SFIXED32]);
const OF_EIGHT_BYTES = new Set([ScalarType.DOUBLE, ScalarType.FIXED64, ScalarType.SFIXED64]);

/** @throws MeshError INVALID_INPUT for a message that would take too much. */
export function assertLight(schema: DescMessage, bytes: Uint8Array): void {
  const allowed = FREE_BYTES + MAX_AMPLIFICATION * bytes.byteLength;
  if (weigh(schema, bytes, allowed, MAX_DEPTH) > allowed) {
    throw new MeshError(
      'INVALID_INPUT',
      `a ${schema.name} of ${bytes.byteLength} bytes would take more than ${allowed} in memory: send tensors as raw_input_contents`,
    );
  }
}

/** Stops counting beyond `allowed`. */
function weigh(schema: DescMessage, bytes: Uint8Array, allowed: number, depth: number): number {
  if (depth === 0) throw new MeshError('INVALID_INPUT', `a ${schema.name} nests too deeply`);
  const reader = new BinaryReader(bytes);
  let weight = MESSAGE_BYTES;
  while (reader.pos < reader.len && weight <= allowed) {
    const [number, wireType] = reader.tag();
    const field = schema.fields.find((candidate) => candidate.number === number);
    if (wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, number);
      weight += BIGINT_BYTES;
      continue;
    }
    const value = reader.bytes();
    weight += VIEW_BYTES + weighValue(field, value, allowed - weight, depth);
  }
  return weight;
}

function weighValue(field: DescField | undefined, value: Uint8Array, allowed: number, depth: number): number {
  if (field === undefined) return 0;
  if (field.fieldKind === 'map') {
    return field.mapKind === 'message' ? weighEntry(field.message, value, allowed, depth) : MESSAGE_BYTES;
  }
  if (field.message !== undefined) return weigh(field.message, value, allowed, depth - 1);
  if (field.fieldKind !== 'list' || field.listKind !== 'scalar') return 0;
  if (field.scalar === ScalarType.BYTES) return 0;
  if (field.scalar === ScalarType.STRING) return value.byteLength;
  return elementsOf(field.scalar, value) * (LONG.has(field.scalar) ? BIGINT_BYTES : NUMBER_BYTES);
}

/** An entry of a map: its key is field 1, its value field 2. */
function weighEntry(schema: DescMessage, entry: Uint8Array, allowed: number, depth: number): number {
  const reader = new BinaryReader(entry);
  let weight = 0;
  while (reader.pos < reader.len && weight <= allowed) {
    const [number, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, number);
    else {
      const value = reader.bytes();
      weight += number === 2 ? weigh(schema, value, allowed - weight, depth - 1) : VIEW_BYTES;
    }
  }
  return weight;
}

function elementsOf(type: ScalarType, packed: Uint8Array): number {
  if (OF_FOUR_BYTES.has(type)) return packed.byteLength / 4;
  if (OF_EIGHT_BYTES.has(type)) return packed.byteLength / 8;
  let count = 0;
  // The last byte of a number has its highest bit clear.
  for (const byte of packed) if (byte < 128) count += 1;
  return count;
}
