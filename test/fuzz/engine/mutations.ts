/** Damaged files: bytes of a real one changed, cut out, doubled or moved, as storage, networks and strangers do. */
import type { Random } from '../../property/random.ts';

/** Numbers that break parsers: sizes at the edges of 7, 8, 31 and 64 bits, in their variable-length encoding. */
const EDGES: readonly (readonly number[])[] = [
  [0],
  [0x7f],
  [0x80],
  [0xff],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
];

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

const place = (bytes: Uint8Array, random: Random): number => random.integer(0, Math.max(0, bytes.byteLength - 1));

const splice = (bytes: Uint8Array, at: number, removed: number, inserted: ArrayLike<number>): Uint8Array => {
  const result = new Uint8Array(at + inserted.length + Math.max(0, bytes.byteLength - at - removed));
  result.set(bytes.subarray(0, at));
  result.set(inserted, at);
  result.set(bytes.subarray(at + removed), at + inserted.length);
  return result;
};

/** Lengths stay as they are, so that more than the outermost layer of the parser is reached. */
const IN_PLACE: readonly Mutation[] = [
  (bytes, random) => splice(bytes, place(bytes, random), 1, [random.integer(0, 255)]),
  (bytes, random) => {
    const at = place(bytes, random);
    return splice(bytes, at, 1, [(bytes[at] ?? 0) ^ (1 << random.integer(0, 7))]);
  },
];

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => splice(bytes, place(bytes, random), random.integer(0, 3), random.pick(EDGES)),
  (bytes, random) => splice(bytes, place(bytes, random), random.integer(1, 64), []),
  (bytes, random) => bytes.slice(0, place(bytes, random)),
  (bytes, random) => {
    const at = place(bytes, random);
    return splice(bytes, at, 0, bytes.subarray(at, at + random.integer(1, 64)));
  },
  (bytes, random) => {
    const from = place(bytes, random);
    return splice(bytes, place(bytes, random), 0, bytes.subarray(from, from + random.integer(1, 64)));
  },
];

export interface Material {
  /** Words of the parser's language. */
  readonly words: readonly Uint8Array[];
  /** Another input. */
  readonly other: () => Uint8Array;
}

type RichMutation = (bytes: Uint8Array, random: Random, material: Material) => Uint8Array;

/** Numbers as texts have them. */
const NUMBERS: readonly Uint8Array[] = [
  '0',
  '-1',
  '1.5',
  '65536',
  '2147483648',
  '9007199254740993',
  '1e308',
  '1e999',
].map((number) => new TextEncoder().encode(number));
const MAX_REPEATS = 64;

/** Those that need more than the input itself. */
const RICH: readonly RichMutation[] = [
  (bytes, random, { other }) => {
    const found = other();
    const from = place(found, random);
    const part = found.subarray(from, from + random.integer(1, 256));
    return splice(bytes, place(bytes, random), random.integer(0, 64), part);
  },
  (bytes, random) => splice(bytes, place(bytes, random), random.integer(0, 8), random.pick(NUMBERS)),
  (bytes, random, { words }) => {
    const word = random.pick(words.length === 0 ? NUMBERS : words);
    return splice(bytes, place(bytes, random), random.chance(0.5) ? word.byteLength : 0, word);
  },
  (bytes, random) => {
    const at = place(bytes, random);
    const part = bytes.subarray(at, at + random.integer(1, 16));
    const times = random.integer(2, MAX_REPEATS);
    return splice(bytes, at, 0, Buffer.concat(Array.from({ length: times }, () => part)));
  },
];
const ALL: readonly RichMutation[] = [...MUTATIONS, ...RICH];

/** Between one and four mutations, half of them in the head, where structure is and not weights. */
export function mutated(source: Uint8Array, random: Random, material: Material): Uint8Array {
  const times = random.chance(0.5) ? 1 : random.integer(2, 4);
  const mutations = random.chance(0.5) ? IN_PLACE : ALL;
  let bytes = source;
  for (let index = 0; index < times; index++) {
    const isHead = random.chance(0.5);
    const head = isHead ? Math.min(bytes.byteLength, 512) : bytes.byteLength;
    const changed = random.pick(mutations)(bytes.subarray(0, head), random, material);
    bytes = head === bytes.byteLength ? changed : splice(changed, changed.byteLength, 0, bytes.subarray(head));
  }
  return bytes;
}
