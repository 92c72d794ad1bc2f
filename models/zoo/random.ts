/**
 * Numbers that look random and are the same on every machine. Only 32-bit integer arithmetic and correctly rounded
 * floating-point operations (`+ - * /`, square root) are used: `Math.log`, `Math.cos` and `Math.exp`, which Box-Muller
 * would need, may differ in the last bit from one engine to the next.
 */

const GOLDEN_RATIO = 0x9e3779b9;

/** The `counter`th of 2^32 well-mixed 32-bit words of the stream `seed` (the finaliser of MurmurHash3). */
export function word(seed: number, counter: number): number {
  let bits = (seed + Math.imul(counter, GOLDEN_RATIO)) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/** Standard deviation of a sum of four uniform 16-bit integers; their mean sum is 2 * 65535. */
const SUM_DEVIATION = Math.sqrt((4 * (65_536 * 65_536 - 1)) / 12);

/**
 * Fills `target` with values number `first`, `first + 1`, ... of a stream of bell-shaped numbers of mean zero: each is
 * the sum of four uniforms (Irwin-Hall; no value lies beyond 3.5 deviations). Streams may be filled in any pieces.
 */
export function fillNormal(target: Float32Array, seed: number, first: number, deviation: number): void {
  const scale = deviation / SUM_DEVIATION;
  const start = word(seed, 0);
  for (let index = 0; index < target.length; index++) {
    const counter = 2 * (first + index);
    const a = word(start, counter);
    const b = word(start, counter + 1);
    target[index] = ((a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) - 131_070) * scale;
  }
}

/** A sequence of uniform integers in `[0, limit)`, for shuffling and shifting; `limit` is far below 2^32. */
export function uniformIntegers(seed: number): (limit: number) => number {
  let counter = 0;
  return (limit) => Math.floor(((word(seed, counter++) >>> 0) / 4_294_967_296) * limit);
}

/** The indices below `count` in an order drawn from `next` (Fisher-Yates). */
export function permutation(count: number, next: (limit: number) => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = next(last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
