/** How far two answers are apart. */
import { numberValues, type Tensor } from '../core/tensor/tensor.ts';

export interface Difference {
  /** Largest difference of two elements at the same place; Infinity where only one of them is a number. */
  readonly maxAbs: number;
  /** The same in parts of the largest finite element. */
  readonly maxRel: number;
  /** Not a bit differs. */
  readonly isIdentical: boolean;
}

export interface Tolerance {
  /** In parts of the largest element. */
  readonly relative: number;
  readonly absolute: number;
}

/**
 * What cutting may change where the kernel computes the last elements of a run otherwise than the others: its Sigmoid is off by
 * 1.5e-7 there, however small the values are.
 */
export const TOLERANCE: Tolerance = { relative: 1e-5, absolute: 1e-6 };

export const isClose = ({ maxAbs, maxRel }: Difference, { relative, absolute } = TOLERANCE): boolean =>
  maxRel <= relative || maxAbs <= absolute;

const NONE: Difference = { maxAbs: 0, maxRel: 0, isIdentical: true };
const ALL: Difference = { maxAbs: Infinity, maxRel: Infinity, isIdentical: false };

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);

export function difference(a: Tensor, b: Tensor): Difference {
  if (a.type !== b.type || a.shape.length !== b.shape.length || a.shape.some((own, axis) => own !== b.shape[axis])) {
    return ALL;
  }
  if (sameBytes(a.bytes, b.bytes)) return NONE;
  if (a.type === 'bfloat16' || a.type === 'string') return ALL;
  const left = readNumbers(a);
  const right = readNumbers(b);
  let maxAbs = 0;
  let largest = 0;
  for (const [index, own] of left.entries()) {
    const other = right[index]!;
    if (Number.isFinite(own)) largest = Math.max(largest, Math.abs(own));
    if (Object.is(own, other) || own === other) continue;
    const apart = Math.abs(own - other);
    maxAbs = Math.max(maxAbs, Number.isNaN(apart) ? Infinity : apart);
  }
  return { maxAbs, maxRel: maxAbs === 0 ? 0 : maxAbs / largest, isIdentical: false };
}

/** The elements as plain numbers, also those of half precision. */
export function readNumbers(source: Tensor): ArrayLike<number> & { entries(): ArrayIterator<[number, number]> } {
  if (source.type !== 'float16') return numberValues(source);
  return new Float16Array(source.bytes.slice().buffer);
}

/** The larger of each. */
export const worst = (all: readonly Difference[]): Difference => ({
  maxAbs: Math.max(0, ...all.map((own) => own.maxAbs)),
  maxRel: Math.max(0, ...all.map((own) => own.maxRel)),
  isIdentical: all.every((own) => own.isIdentical),
});
