/** Numbers that sum up a series of measurements. */

/** The value below which `share` of the values lie, interpolated between neighbours. NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? NaN;
  const above = sorted[Math.ceil(position)] ?? NaN;
  return below + (above - below) * (position - Math.floor(position));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export const mean = (values: readonly number[]): number => sum(values) / values.length;

export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}

/** Of a series of at least one value. */
export const summarise = (values: readonly number[]): Summary => ({
  count: values.length,
  min: Math.min(...values),
  median: median(values),
  p95: quantile(values, 0.95),
  max: Math.max(...values),
});
