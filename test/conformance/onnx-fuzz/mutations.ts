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

/** Between one and four mutations, most of them in the head, where structure is and not weights. */
export function mutated(source: Uint8Array, random: Random): Uint8Array {
  const times = random.integer(1, 4);
  const mutations = random.chance(0.6) ? IN_PLACE : MUTATIONS;
  let bytes = source;
  for (let index = 0; index < times; index++) {
    const isHead = random.chance(0.5);
    const head = isHead ? Math.min(bytes.byteLength, 512) : bytes.byteLength;
    const changed = random.pick(mutations)(bytes.subarray(0, head), random);
    bytes = head === bytes.byteLength ? changed : splice(changed, changed.byteLength, 0, bytes.subarray(head));
  }
  return bytes;
}
