/**
 * MurmurHash3 x86_32 (Appleby, public domain), over the UTF-8 bytes of a text. Not cryptographic: it spreads, it does not
 * protect. Thirty-two-bit integer arithmetic throughout, so every engine gives the same bits.
 */

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;
const encoder = new TextEncoder();

const rotateLeft = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

const scramble = (block: number): number => Math.imul(rotateLeft(Math.imul(block, C1), 15), C2);

/** An unsigned 32-bit integer. */
export function hash32(text: string, seed = 0): number {
  const bytes = encoder.encode(text);
  const blocks = bytes.length & ~3;
  let hash = seed | 0;
  for (let at = 0; at < blocks; at += 4) {
    const block = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash = (Math.imul(rotateLeft(hash ^ scramble(block), 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= blocks; at--) tail = (tail << 8) | bytes[at]!;
  if (blocks < bytes.length) hash ^= scramble(tail);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number strictly between 0 and 1 with 52 random-looking bits, from two hashes of different seeds. */
export function hashFraction(text: string): number {
  const high = hash32(text, 0x9747b28c);
  const low = hash32(text, 0x2f0b4a27) >>> 12;
  return (high * 0x100000 + low + 0.5) / 0x10000000000000;
}
