/** Sets of indices below a known count, as bytes: index `i` is bit `i % 8`, counted from the lowest, of byte `i / 8`. */

export const bitmapBytes = (count: number): number => Math.ceil(count / 8);

export const bitmap = (count: number): Uint8Array => new Uint8Array(bitmapBytes(count));

export const hasBit = (bits: Uint8Array, index: number): boolean =>
  (((bits[index >>> 3] ?? 0) >>> (index & 7)) & 1) === 1;

export function setBit(bits: Uint8Array, index: number): void {
  bits[index >>> 3]! |= 1 << (index & 7);
}

export function clearBit(bits: Uint8Array, index: number): void {
  bits[index >>> 3]! &= ~(1 << (index & 7));
}

/** The indices in the set, ascending. */
export const bitIndices = (bits: Uint8Array, count: number): number[] =>
  Array.from({ length: count }, (_, index) => index).filter((index) => hasBit(bits, index));
