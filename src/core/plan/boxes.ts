/**
 * Regions of one tensor as flat numbers, one box per part: the planner intersects millions of them. A box is the start and
 * end of each axis; one that is empty stands for nothing.
 */
import type { Region } from '../geometry/region.ts';

export interface Boxes {
  readonly rank: number;
  readonly count: number;
  /** `2 * rank` numbers for each box. */
  readonly bounds: Int32Array;
}

/** @param regions null or undefined where there is none. */
export function toBoxes(regions: readonly (Region | null | undefined)[]): Boxes {
  const rank = Math.max(0, ...regions.map((region) => region?.length ?? 0));
  const bounds = new Int32Array(regions.length * rank * 2);
  for (const [index, region] of regions.entries()) {
    for (const [axis, { start, end }] of (region ?? []).entries()) {
      bounds[(index * rank + axis) * 2] = start;
      bounds[(index * rank + axis) * 2 + 1] = end;
    }
  }
  return { rank, count: regions.length, bounds };
}

/** Calls back for every two boxes, one of each tensor layout, that have elements in common. */
export function eachOverlap(
  a: Boxes,
  b: Boxes,
  visit: (first: number, second: number, elements: number) => void,
): void {
  const { rank, bounds } = a;
  const others = b.bounds;
  if (rank === 0 || rank !== b.rank) return;
  // Maps are cut along their rows most of the time: whether two boxes meet shows there first.
  const telling = Math.min(2, rank - 1);
  for (let first = 0; first < a.count; first++) {
    const left = first * rank * 2;
    const start = bounds[left + telling * 2]!;
    const end = bounds[left + telling * 2 + 1]!;
    for (let second = 0; second < b.count; second++) {
      const right = second * rank * 2;
      if (others[right + telling * 2]! >= end || others[right + telling * 2 + 1]! <= start) continue;
      let elements = 1;
      for (let axis = 0; axis < rank * 2 && elements > 0; axis += 2) {
        const from = Math.max(bounds[left + axis]!, others[right + axis]!);
        const to = Math.min(bounds[left + axis + 1]!, others[right + axis + 1]!);
        elements *= to > from ? to - from : 0;
      }
      if (elements > 0) visit(first, second, elements);
    }
  }
}
