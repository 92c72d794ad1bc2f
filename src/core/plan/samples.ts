/**
 * Which parts of a layout are looked at closely while a plan is searched for. Along each axis the first, the last and the
 * largest in between stand for all: the others differ from it in place and a little in size, which is followed in proportion.
 */
import type { Region } from '../geometry/region.ts';
import { length } from '../geometry/interval.ts';
import type { Cut } from './plan.ts';

export interface Samples {
  /** Parts to walk. */
  readonly parts: readonly number[];
  /** For each part, the index in `parts` of the one that stands for it. */
  readonly standIn: readonly number[];
}

/** Fewer parts than this along an axis are all looked at. */
const FEW = 4;

/** For each index along an axis the one that stands for it. */
function representatives(sizes: readonly number[]): number[] {
  if (sizes.length < FEW) return sizes.map((_, index) => index);
  const last = sizes.length - 1;
  let largest = 1;
  for (let index = 1; index < last; index++) if (sizes[index]! > sizes[largest]!) largest = index;
  return sizes.map((_, index) => (index === 0 || index === last ? index : largest));
}

/** @param regions of a boundary tensor, one for each part: rows of the grid after one another. */
export function sample({ axes, counts }: Cut, regions: readonly Region[]): Samples {
  const [first = 0, second = 0] = axes;
  const columns = counts[1] ?? 1;
  const rows = regions.length / columns;
  const size = (part: number, axis: number): number => length(regions[part]![axis] ?? { start: 0, end: 1 });
  const row = representatives(Array.from({ length: rows }, (_, index) => size(index * columns, first)));
  const column = representatives(Array.from({ length: columns }, (_, index) => size(index, second)));
  const chosen = regions.map((_, part) => row[Math.floor(part / columns)]! * columns + column[part % columns]!);
  const parts = [...new Set(chosen)];
  return { parts, standIn: chosen.map((part) => parts.indexOf(part)) };
}

/**
 * What `part` needs of a tensor, given what the one that stands for it needs: moved and stretched as the parts' own regions
 * are to each other, wherever the tensor has the axes of the boundary; whole axes stay whole.
 * @param extents of the tensor. @param whole extents of the boundary tensor.
 */
export function follow(
  needed: Region,
  from: Region,
  to: Region,
  extents: readonly number[],
  whole: readonly number[],
): Region {
  if (from === to || extents.length !== whole.length) return needed;
  return needed.map((interval, axis) => {
    const extent = extents[axis]!;
    if (length(interval) >= extent || length(from[axis]!) >= whole[axis]!) return interval;
    const scale = extent / whole[axis]!;
    return {
      start: Math.max(0, Math.floor(interval.start + scale * (to[axis]!.start - from[axis]!.start))),
      end: Math.min(extent, Math.ceil(interval.end + scale * (to[axis]!.end - from[axis]!.end))),
    };
  });
}
