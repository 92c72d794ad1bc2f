/** Cutting a boundary tensor into one region per part. */
import { length, split } from '../geometry/interval.ts';
import { replaceAxis, wholeRegion, type Region } from '../geometry/region.ts';
import type { Arithmetic } from '../graph/bind.ts';
import { OUTPUT_TILE } from '../ops/winograd-conv.ts';
import type { Shape } from '../tensor/tensor.ts';
import type { Cut } from './plan.ts';

/** Channels are cut in multiples of the widest of these that leaves every part something: kernels work in such groups. */
const CHANNEL_UNITS = [16, 8, 4, 1];

/** The same for rows and columns where convolutions work in tiles: what lies across a border is computed on both sides. */
const TILE_UNITS = [OUTPUT_TILE, OUTPUT_TILE / 2, 1];

function alignment(axis: number, extent: number, parts: number, arithmetic: Arithmetic): number {
  const units = axis === 1 ? CHANNEL_UNITS : axis > 1 && arithmetic === 'fast' ? TILE_UNITS : [1];
  return units.find((unit) => extent >= unit * parts) ?? 1;
}

const cutAxis = (region: Region, axis: number, weights: readonly number[], arithmetic: Arithmetic): Region[] => {
  const own = region[axis]!;
  const unit = alignment(axis, length(own), weights.length, arithmetic);
  return split(length(own), weights, unit).map((part) => replaceAxis(region, axis, part));
};

export const partCount = (cut: Cut): number => cut.counts.reduce((product, count) => product * count, 1);

/**
 * One region per part, in proportion to the weights; undefined where the tensor cannot be cut like that (too few axes, or a
 * part would be empty).
 */
export function partition(
  shape: Shape,
  cut: Cut,
  weights: readonly number[],
  arithmetic: Arithmetic,
): Region[] | undefined {
  const region = wholeRegion(shape);
  const [first, second] = cut.axes;
  if (first === undefined) return [region];
  if (first >= shape.length || (second !== undefined && second >= shape.length)) return undefined;
  const rows = cut.counts[0]!;
  const columns = cut.counts[1] ?? 1;
  const rowWeights = Array.from({ length: rows }, (_, row) =>
    weights.slice(row * columns, (row + 1) * columns).reduce((sum, weight) => sum + weight, 0),
  );
  const stripes = cutAxis(region, first, rowWeights, arithmetic);
  const parts =
    second === undefined
      ? stripes
      : stripes.flatMap((stripe, row) =>
          cutAxis(stripe, second, weights.slice(row * columns, (row + 1) * columns), arithmetic),
        );
  return parts.every((part) => part.every((own) => length(own) > 0)) ? parts : undefined;
}

export const WHOLE: Cut = { axes: [], counts: [] };
