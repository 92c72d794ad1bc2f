/** A candidate block: the steps between two boundaries under one layout, with what each part needs and costs. */
import { computeMs, prepareMs, type PeerProfile, type Work } from '../cost/cost-model.ts';
import { volume, type Region } from '../geometry/region.ts';
import type { BoundGraph } from '../graph/bind.ts';
import { BackwardWalk } from '../program/demand.ts';
import { toBoxes, type Boxes } from './boxes.ts';
import type { Layout } from './layout.ts';
import { follow, sample, type Samples } from './samples.ts';

export interface Segment {
  readonly layout: number;
  readonly slowestMs: number;
  /** What the parts need of each value from outside the block. Worked out when it is first asked for. */
  readonly feeds: () => ReadonlyMap<string, Boxes>;
  /** Weights that each part reads, in bytes. */
  readonly weightBytes: readonly number[];
  /** The most that any part's weights take of its peer's memory, as a share. */
  readonly weightShare: number;
  /** Multiply-accumulates of all parts together, overlap counted as often as it is computed. */
  readonly macs: number;
}

export interface SegmentRequest {
  readonly bound: BoundGraph;
  readonly profiles: readonly PeerProfile[];
  readonly isCold: boolean;
  /** Steps after which blocks may end. */
  readonly ends: readonly number[];
  /** Last step that reads each value; `Infinity` for outputs of the graph. */
  readonly lastReaders: ReadonlyMap<string, number>;
  /** Index of the layout, and the layout. */
  readonly index: number;
  readonly layout: Layout;
  /** Regions of a value under the layout, undefined where it cannot be cut so. */
  readonly regions: (name: string) => readonly Region[] | undefined;
}

/** Multiply-accumulates of steps `first` to `last` when nothing is computed twice. */
export type WholeMacs = (first: number, last: number) => number;

/** Blocks of more boundaries than this are not considered, but for the whole graph at once. */
const MAX_SPAN = 12;
/** Nor those that compute more than this many times their work: a longer one computes more still. */
const MAX_REDUNDANCY = 2.5;

/** Walks of the parts that stand for all. */
interface Walks {
  readonly samples: Samples;
  readonly walks: readonly BackwardWalk[];
  /** Regions of one of the values wanted, which all others are cut like. */
  readonly regions: readonly (Region | null)[];
  readonly shape: readonly number[];
}

/** The segments that end at boundary `end`, by the boundary before their beginning (-1: the start of the graph). */
export function segmentsEndingAt(request: SegmentRequest, end: number, wholeMacs: WholeMacs): Map<number, Segment> {
  const { bound, ends, lastReaders, index: layout } = request;
  const isWhole = layout === 0;
  const last = ends[end]!;
  const segments = new Map<number, Segment>();
  if (last >= bound.firstOpaque && !isWhole) return segments;
  let state: Walks | undefined;
  let beginning = end - 1;
  for (let index = last; index >= 0; index--) {
    const step = bound.steps[index]!;
    for (const name of step.node.outputs) {
      if (name === '' || (lastReaders.get(name) ?? -1) <= last) continue;
      const shape = bound.shapes.get(name);
      const wanted = shape === undefined ? [null] : request.regions(name);
      if (wanted === undefined) return segments;
      state ??= begin(bound, request.layout, wanted, shape ?? []);
      for (const [own, walk] of state.walks.entries()) walk.want(name, wanted[state.samples.parts[own]!]!);
    }
    // What declares nothing may answer differently when it is run twice: its block stays on one participant.
    if (!isWhole && step.bound === undefined) break;
    for (const walk of state?.walks ?? []) walk.visit(index);
    const isBeginning = beginning >= 0 ? ends[beginning] === index - 1 : index === 0;
    if (!isBeginning || state === undefined) continue;
    const segment = segmentOf(request, state);
    const own = wholeMacs(index, last);
    if (!isWhole && own > 0 && segment.macs > MAX_REDUNDANCY * own) break;
    segments.set(beginning, segment);
    beginning -= 1;
    // Further back only the whole graph at once is still of interest.
    if (end - beginning > MAX_SPAN && beginning >= 0 && !(isWhole && last === bound.steps.length - 1)) break;
  }
  return segments;
}

function begin(
  bound: BoundGraph,
  { cut }: Layout,
  regions: readonly (Region | null)[],
  shape: readonly number[],
): Walks {
  const known = regions.filter((region) => region !== null);
  const samples = known.length === regions.length ? sample(cut, known) : { parts: [0], standIn: [0] };
  return { samples, walks: samples.parts.map(() => new BackwardWalk(bound)), regions, shape };
}

function segmentOf(request: SegmentRequest, { samples, walks, regions, shape }: Walks): Segment {
  const { bound, layout, index, profiles, isCold } = request;
  const { parts, standIn } = samples;
  const share = regions.map((region, part) => {
    const other = regions[parts[standIn[part]!]!]!;
    return region === null || region === other ? 1 : volume(region) / volume(other);
  });
  let slowestMs = 0;
  let macs = 0;
  for (const [part, own] of standIn.entries()) {
    const work = scaled(walks[own]!, share[part]!);
    const ms = computeMs(profiles[layout.participants[part]!]!, work) + (isCold ? prepareMs(work) : 0);
    slowestMs = Math.max(slowestMs, ms);
    macs += walks[own]!.macs * share[part]!;
  }
  const sampled = walks.map((walk) => walk.feeds());
  const feedsOf = (name: string): Boxes => {
    const extents = bound.shapes.get(name) ?? [];
    return toBoxes(
      regions.map((region, part) => {
        const needed = sampled[standIn[part]!]!.get(name);
        const other = regions[parts[standIn[part]!]!];
        return needed == null || region === null || other == null
          ? needed
          : follow(needed, other, region, extents, shape);
      }),
    );
  };
  let feeds: ReadonlyMap<string, Boxes> | undefined;
  const weightBytes = walks.map((walk) => walk.weightBytes);
  return {
    layout: index,
    slowestMs,
    feeds: () =>
      (feeds ??= new Map([...new Set(sampled.flatMap((own) => [...own.keys()]))].map((name) => [name, feedsOf(name)]))),
    weightBytes: standIn.map((own) => weightBytes[own]!),
    weightShare: Math.max(
      ...standIn.map((own, part) => weightBytes[own]! / profiles[layout.participants[part]!]!.memoryBudgetBytes),
    ),
    macs,
  };
}

const scaled = ({ effectiveMacs, elements, weightBytes }: Work, share: number): Work => ({
  effectiveMacs: effectiveMacs * share,
  elements: elements * share,
  weightBytes,
});
