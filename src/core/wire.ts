/**
 * What a message of Protocol Buffers would become, told from its bytes before anything is built from them: a byte or two can
 * mean an object of hundreds. Source: Protocol Buffers, "Encoding".
 */

/** As generated descriptions have it. */
export interface WireMessage {
  readonly fields: readonly WireField[];
}

export interface WireField {
  readonly number: number;
  readonly fieldKind: string;
  /** Of a list, what it lists. */
  readonly listKind?: string | undefined;
  /** Number of the scalar type, of the field or of the elements of a list, as in descriptor.proto. */
  readonly scalar?: number | undefined;
  /** Of the field, of the elements of a list, or of the values of a map. */
  readonly message?: WireMessage | undefined;
}

export interface WireLimits {
  /** What all fields may cost together. */
  readonly budget: number;
  /** How deep messages may nest. */
  readonly depth: number;
  /** @param field undefined: one that is not known, and skipped. @param byteLength of what is in it; 0 for single numbers. */
  readonly cost: (field: WireField | undefined, byteLength: number) => number;
}

/** The message costs too much or nests too deeply: its sender's fault, though it be well-formed. */
export class WireLimitError extends RangeError {}

const VARINT = 0;
const FIXED_64 = 1;
const DELIMITED = 2;
const FIXED_32 = 5;
/** An entry of a map is a message with the value as its second field. */
const MAP_VALUE = 2;

/** @throws WireLimitError, RangeError for bytes that are no message. */
export function checkWire(message: WireMessage, bytes: Uint8Array, limits: WireLimits): void {
  new Walk(bytes, limits).message(message, bytes.byteLength, limits.depth);
}

class Walk {
  readonly #bytes: Uint8Array;
  readonly #limits: WireLimits;
  #left: number;
  #at = 0;

  constructor(bytes: Uint8Array, limits: WireLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
    this.#left = limits.budget;
  }

  message(message: WireMessage, end: number, depth: number): void {
    if (depth === 0) throw new WireLimitError('nests too deeply');
    while (this.#at < end) {
      const tag = this.#varint(end);
      const number = Math.floor(tag / 8);
      const field = message.fields.find((candidate) => candidate.number === number);
      if (tag % 8 !== DELIMITED) {
        this.#spend(field, 0);
        this.#skip(tag % 8, end);
        continue;
      }
      const length = this.#varint(end);
      const fieldEnd = this.#at + length;
      if (fieldEnd > end) throw new RangeError('a field is longer than its message');
      this.#spend(field, length);
      if (field?.message === undefined) this.#at = fieldEnd;
      else this.message(field.fieldKind === 'map' ? entryOf(field) : field.message, fieldEnd, depth - 1);
    }
    if (this.#at > end) throw new RangeError('a number is longer than its message');
  }

  #spend(field: WireField | undefined, byteLength: number): void {
    this.#left -= this.#limits.cost(field, byteLength);
    if (this.#left < 0) throw new WireLimitError('has too many fields');
  }

  #skip(wireType: number, end: number): void {
    if (wireType === VARINT) this.#varint(end);
    else if (wireType === FIXED_64) this.#at += 8;
    else if (wireType === FIXED_32) this.#at += 4;
    else throw new RangeError('there are no groups');
  }

  #varint(end: number): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 70; factor *= 128) {
      if (this.#at >= end) break;
      const byte = this.#bytes[this.#at++]!;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
    throw new RangeError('a number has no end');
  }
}

const entryOf = ({ message }: WireField): WireMessage => ({
  fields: [{ number: MAP_VALUE, fieldKind: 'message', message }],
});

/** `google.protobuf.FieldDescriptorProto.Type`. */
const [DOUBLE, FLOAT, INT_64, UINT_64, FIXED_64_TYPE, TEXT, BYTES, SFIXED_64_TYPE, SINT_64] = [
  1, 2, 3, 4, 6, 9, 12, 16, 18,
];
/** Of a message beside what is in it: its fields, its empty lists. */
const MESSAGE_BYTES = 512;
const TEXT_BYTES = 64;
/** Memory for each byte: a small whole number of 64 bits becomes an object of 32 bytes; texts double; bytes stay in place. */
const FACTORS: ReadonlyMap<number | undefined, number> = new Map([
  [BYTES, 0],
  [TEXT, 2],
  [FLOAT, 2],
  [DOUBLE, 1],
  [FIXED_64_TYPE, 4],
  [SFIXED_64_TYPE, 4],
  [INT_64, 32],
  [UINT_64, 32],
  [SINT_64, 32],
]);
/** Of other numbers, which are elements of a list in a byte or more. */
const NUMBER_FACTOR = 8;

/** Memory that a field takes, bytes, at most: a cost, where the budget is one of bytes. */
export function wireMemory(field: WireField | undefined, byteLength: number): number {
  if (field === undefined) return 0;
  if (field.message !== undefined) return MESSAGE_BYTES;
  return TEXT_BYTES + byteLength * (FACTORS.get(field.scalar) ?? NUMBER_FACTOR);
}
