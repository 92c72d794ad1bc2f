/** A box in a tensor: one half-open interval per axis. The value on which cutting, exchange and recovery all rest. */
import type { Shape } from '../tensor/tensor.ts';
import * as axis from './interval.ts';
import type { Interval } from './interval.ts';

export type Region = readonly Interval[];

export const wholeRegion = (shape: Shape): Region => shape.map(axis.whole);
export const regionShape = (region: Region): number[] => region.map(axis.length);
export const volume = (region: Region): number =>
  region.reduce((product, interval) => product * axis.length(interval), 1);
export const isEmpty = (region: Region): boolean => region.some(axis.isEmpty);
export const equals = (a: Region, b: Region): boolean =>
  a.length === b.length && a.every((interval, index) => axis.equals(interval, b[index]!));
export const contains = (outer: Region, inner: Region): boolean =>
  isEmpty(inner) || outer.every((interval, index) => axis.contains(interval, inner[index]!));
export const intersect = (a: Region, b: Region): Region =>
  a.map((interval, index) => axis.intersect(interval, b[index]!));
/** The smallest box that holds both; an empty box adds nothing. */
export const hull = (a: Region, b: Region): Region =>
  isEmpty(a) ? b : isEmpty(b) ? a : a.map((interval, index) => axis.hull(interval, b[index]!));
export const isWhole = (region: Region, shape: Shape): boolean => equals(region, wholeRegion(shape));
export const replaceAxis = (region: Region, index: number, interval: Interval): Region =>
  region.map((old, position) => (position === index ? interval : old));

/** What is left of `region` without `hole`, as disjoint boxes (at most two per axis). */
export function subtract(region: Region, hole: Region): Region[] {
  const overlap = intersect(region, hole);
  if (isEmpty(region)) return [];
  if (isEmpty(overlap)) return [region];
  const pieces: Region[] = [];
  let rest = region;
  for (let index = 0; index < region.length; index++) {
    const inner = overlap[index]!;
    const outer = rest[index]!;
    if (outer.start < inner.start) {
      pieces.push(replaceAxis(rest, index, { start: outer.start, end: inner.start }));
    }
    if (inner.end < outer.end) pieces.push(replaceAxis(rest, index, { start: inner.end, end: outer.end }));
    rest = replaceAxis(rest, index, inner);
  }
  return pieces;
}

/** `region` without all of `holes`, as disjoint boxes: what is still missing. */
export function subtractAll(region: Region, holes: readonly Region[]): Region[] {
  return holes.reduce<Region[]>(
    (pieces, hole) => pieces.flatMap((piece) => subtract(piece, hole)),
    isEmpty(region) ? [] : [region],
  );
}

/** `[0:3, 16:32]`, for messages and plans meant for people. */
export const describe = (region: Region): string =>
  `[${region.map((interval) => `${interval.start}:${interval.end}`).join(', ')}]`;
