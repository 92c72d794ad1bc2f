/** The ways of laying a boundary tensor out over the participants that a search considers. */
import type { PeerProfile } from '../cost/cost-model.ts';
import type { BoundGraph } from '../graph/bind.ts';
import { partCount, WHOLE } from './partition.ts';
import type { Cut } from './plan.ts';

export interface Layout {
  readonly cut: Cut;
  /** Participant of each part. */
  readonly participants: readonly number[];
}

/** Shares of the participants that get a part each, where not all do. */
const SHARES = [1, 3 / 4, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8];
/** Parts along the lesser axis of a grid. */
const MOST_COLUMNS = 8;
/** A grid that leaves more of the participants idle than this is no candidate. */
const LEAST_BUSY = 0.55;

const distinct = (numbers: readonly number[]): number[] => [...new Set(numbers)];

/** The least number of parts of which none is larger than with `parts` of them: 28 rows in 24 parts are as good in 14. */
const balanced = (extent: number, parts: number): number => Math.ceil(extent / Math.ceil(extent / parts));

/** Extents that occur along an axis, those not worth cutting excepted. */
function extentsAlong(bound: BoundGraph, axis: number): number[] {
  const extents = bound.steps.flatMap(({ node }) =>
    node.outputs.flatMap((name) => bound.shapes.get(name)?.[axis] ?? []),
  );
  return distinct(extents.filter((extent) => extent > 1));
}

/** Sensible numbers of parts along an axis, at most `most`. */
const countsAlong = (extents: readonly number[], most: number): number[] =>
  distinct([most, ...extents.filter((extent) => extent >= most).map((extent) => balanced(extent, most))]);

/** Cuts of at most `most` parts: along one axis, along rows and columns, along rows and channels. */
function cutsOfAtMost(bound: BoundGraph, most: number): Cut[] {
  const rows = extentsAlong(bound, 2);
  // Columns are as good as rows only where maps are wider than high, or have no rows to cut.
  const isWide = Math.max(0, ...extentsAlong(bound, 3)) > Math.max(0, ...rows);
  const rarely = [...(isWide ? [3] : []), ...(extentsAlong(bound, 0).length > 0 ? [0] : [])];
  const shares = distinct(SHARES.map((share) => Math.floor(most * share))).filter((count) => count > 1);
  const cuts: Cut[] = [
    ...distinct([...shares, ...countsAlong(rows, most)]).map((count) => ({ axes: [2], counts: [count] })),
    ...shares.map((count) => ({ axes: [1], counts: [count] })),
    ...shares.slice(0, 3).flatMap((count) => rarely.map((axis) => ({ axes: [axis], counts: [count] }))),
  ];
  for (let second = 2; second <= Math.min(MOST_COLUMNS, most / 2); second++) {
    for (const first of countsAlong(rows, Math.floor(most / second))) {
      if (first < 2 || first * second < LEAST_BUSY * most) continue;
      if (first >= second) cuts.push({ axes: [2, 3], counts: [first, second] });
      cuts.push({ axes: [2, 1], counts: [first, second] });
    }
  }
  return cuts;
}

/** Cuts into just so many parts: along one axis, and grids of rows and columns. */
export function candidateCuts(parts: number): Cut[] {
  const cuts: Cut[] = [2, 1, 3, 0].map((axis) => ({ axes: [axis], counts: [parts] }));
  for (let rows = 2; rows <= parts / 2; rows++) {
    if (parts % rows === 0 && rows >= parts / rows) cuts.push({ axes: [2, 3], counts: [rows, parts / rows] });
  }
  return cuts;
}

/**
 * Who gets the parts: where all are equally fast, every so-manieth, so that parts of one place of the map stay where they
 * are when their number changes; else the fastest.
 */
function ownersOf(parts: number, profiles: readonly PeerProfile[]): number[] {
  const isEqual = profiles.every(({ macsPerSecond }) => macsPerSecond === profiles[0]!.macsPerSecond);
  return Array.from({ length: parts }, (_, part) => (isEqual ? Math.floor((part * profiles.length) / parts) : part));
}

/**
 * All layouts for these participants, the one that is not cut first.
 * @param isFree whether fewer parts than participants will do as well.
 */
export function layoutsFor(bound: BoundGraph, profiles: readonly PeerProfile[], isFree: boolean): Layout[] {
  const fastest = profiles.reduce(
    (best, { macsPerSecond }, index) => (macsPerSecond > profiles[best]!.macsPerSecond ? index : best),
    0,
  );
  const count = profiles.length;
  const cuts = count < 2 ? [] : isFree ? cutsOfAtMost(bound, count) : candidateCuts(count);
  return [
    { cut: WHOLE, participants: [fastest] },
    ...cuts.map((cut) => ({ cut, participants: ownersOf(partCount(cut), profiles) })),
  ];
}
