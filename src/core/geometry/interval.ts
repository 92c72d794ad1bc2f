/** A half-open range of indices along one axis: `start` is inside, `end` is not. Empty when `end <= start`. */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

export const interval = (start: number, end: number): Interval => ({ start, end });
export const whole = (extent: number): Interval => ({ start: 0, end: extent });
export const length = (a: Interval): number => Math.max(0, a.end - a.start);
export const isEmpty = (a: Interval): boolean => a.end <= a.start;
export const equals = (a: Interval, b: Interval): boolean => a.start === b.start && a.end === b.end;
export const contains = (outer: Interval, inner: Interval): boolean =>
  isEmpty(inner) || (outer.start <= inner.start && inner.end <= outer.end);
export const intersect = (a: Interval, b: Interval): Interval => ({
  start: Math.max(a.start, b.start),
  end: Math.min(a.end, b.end),
});
/** The smallest interval that holds both; an empty one adds nothing. */
export const hull = (a: Interval, b: Interval): Interval =>
  isEmpty(a) ? b : isEmpty(b) ? a : { start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
export const shift = (a: Interval, by: number): Interval => ({ start: a.start + by, end: a.end + by });

/**
 * `extent` cut into as many intervals as there are weights, sizes in proportion to the weights, every boundary a multiple
 * of `align` (but for the last, which is `extent`). Some may be empty when there are more parts than indices.
 */
export function split(extent: number, weights: readonly number[], align = 1): Interval[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const parts: Interval[] = [];
  let start = 0;
  let sum = 0;
  for (const [index, weight] of weights.entries()) {
    sum += weight;
    const exact = (extent * sum) / total;
    const end = index === weights.length - 1 ? extent : Math.min(extent, Math.round(exact / align) * align);
    parts.push({ start, end: Math.max(start, end) });
    start = Math.max(start, end);
  }
  return parts;
}
