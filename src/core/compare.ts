/** How far two answers are apart. */
import type { BoundGraph } from './graph/bind.ts';
import { HALF_EPSILON } from './tensor/half.ts';
import { numberValues, type Tensor } from './tensor/tensor.ts';

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

/**
 * The same in half precision. Inside a session the runtime computes in single precision and rounds once, at its end; cut, a
 * network is rounded wherever one block hands on to the next: by half a step of its largest value there, which later
 * operators make larger or smaller.
 */
export const HALF_TOLERANCE: Tolerance = { relative: 8 * HALF_EPSILON, absolute: 2 * HALF_EPSILON };

/** What may be expected of a graph: in half precision where any operator's result is. */
export function toleranceOf({ steps, types }: BoundGraph): Tolerance {
  const isHalf = steps.some(({ node }) => node.outputs.some((name) => types.get(name) === 'float16'));
  return isHalf ? HALF_TOLERANCE : TOLERANCE;
}

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
  const left = numberValues(a);
  const right = numberValues(b);
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

/** The larger of each. */
export const worst = (all: readonly Difference[]): Difference => ({
  maxAbs: Math.max(0, ...all.map((own) => own.maxAbs)),
  maxRel: Math.max(0, ...all.map((own) => own.maxRel)),
  isIdentical: all.every((own) => own.isIdentical),
});
