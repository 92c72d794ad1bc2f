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

/** The axis along which the boxes lie apart most: whether two of them meet shows there first. */
function tellingAxis({ rank, count, bounds }: Boxes): number {
  let telling = 0;
  let most = 0;
  for (let axis = 0; axis < rank; axis++) {
    let changes = 0;
    for (let index = 1; index < count; index++) {
      const at = (index * rank + axis) * 2;
      if (bounds[at] !== bounds[at - rank * 2]) changes++;
    }
    if (changes > most) [telling, most] = [axis, changes];
  }
  return telling;
}

/**
 * Calls back for every two boxes, one of each tensor layout, that have elements in common: all of the first box, then all of
 * the second, and so on.
 * @param hasSeen asked after each box of `a`; true ends it.
 */
export function eachOverlap(
  a: Boxes,
  b: Boxes,
  visit: (first: number, second: number, elements: number) => void,
  hasSeen: (first: number) => boolean = () => false,
): void {
  const { rank, bounds } = a;
  const others = b.bounds;
  if (rank === 0 || rank !== b.rank) return;
  const telling = tellingAxis(b) * 2;
  const size = rank * 2;
  for (let first = 0; first < a.count; first++) {
    const left = first * size;
    const start = bounds[left + telling]!;
    const end = bounds[left + telling + 1]!;
    for (let right = 0, second = 0; second < b.count; second++, right += size) {
      if (others[right + telling]! >= end || others[right + telling + 1]! <= start) continue;
      let elements = 1;
      for (let axis = 0; axis < size && elements > 0; axis += 2) {
        const from = Math.max(bounds[left + axis]!, others[right + axis]!);
        const to = Math.min(bounds[left + axis + 1]!, others[right + axis + 1]!);
        elements *= to > from ? to - from : 0;
      }
      if (elements > 0) visit(first, second, elements);
    }
    if (hasSeen(first)) return;
  }
}
