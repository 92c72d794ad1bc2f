/**
 * Dynamic programming over block boundaries. State: how the boundary tensor is laid out over the participants. Choice: where
 * the next block ends and how it is cut. Objective: the makespan of one request.
 */
import { computeMs, prepareMs, transferMs, type LinkProfile, type PeerProfile } from '../cost/cost-model.ts';
import { intersect, volume, wholeRegion, type Region } from '../geometry/region.ts';
import type { BoundGraph } from '../graph/bind.ts';
import { BackwardWalk } from '../program/demand.ts';
import { ELEMENT_BYTES } from '../tensor/data-type.ts';
import { blockOutputs, chosenBoundaries } from './boundaries.ts';
import { partition, WHOLE } from './partition.ts';
import type { Block, Cut } from './plan.ts';

/** Blocks of more boundaries than this are not considered, but for the whole graph at once. */
const MAX_SPAN = 12;

/** Time to plan grows with the square of this. */
const MAX_BOUNDARIES = 48;
/** Where cutting is asked for, a block that computes more than this many times its work does not count as cut. */
const MAX_REDUNDANCY = 1.5;

export interface SearchRequest {
  readonly bound: BoundGraph;
  /** Those who may compute; part i of a cut goes to participant i. */
  readonly participants: readonly PeerProfile[];
  /** Index of the participant that holds the inputs and wants the outputs. */
  readonly coordinator: number;
  readonly link: LinkProfile;
  readonly cuts: readonly Cut[];
  /** Whether blocks may as well run on one participant; otherwise as much as can be is cut. */
  readonly canRunWhole: boolean;
  /** Whether programs have to be made ready first, so that the time for that counts. */
  readonly isCold: boolean;
}

export interface SearchResult {
  readonly blocks: readonly Block[];
  readonly predictedMs: number;
}

/** Regions per part; a part that computes nothing is absent. */
interface Layout {
  readonly cut: Cut;
  /** Participant of each part. */
  readonly participants: readonly number[];
}

/** One block under one layout: what each part needs and how long it computes. */
interface Segment {
  readonly layout: number;
  readonly computeMs: readonly number[];
  readonly feeds: readonly ReadonlyMap<string, Region | null>[];
  /** Multiply-accumulates of all parts together, overlap counted as often as it is computed. */
  readonly macs: number;
}

/** The best way found to have everything up to a boundary computed, the boundary laid out in one way. */
interface State {
  /** Work done in one place or many times over although cutting was asked for; less comes before faster. */
  readonly evaded: number;
  readonly totalMs: number;
  /** Boundary before the block; -1 is the beginning. */
  readonly previous: number;
  readonly previousLayout: number;
  readonly segment: Segment;
}

/** The one that evades less, or else takes less time; the first where they are equal. */
const better = <Kind extends { readonly evaded: number; readonly totalMs: number }>(
  known: Kind | undefined,
  other: Kind,
): Kind => {
  if (known === undefined) return other;
  const isLess = other.evaded < known.evaded || (other.evaded === known.evaded && other.totalMs < known.totalMs);
  return isLess ? other : known;
};

/** The last step that reads each value; never before the end for outputs of the graph. */
function lastReaders({ readers, graph }: BoundGraph): Map<string, number> {
  const last = new Map<string, number>();
  for (const [name, steps] of readers) last.set(name, Math.max(...steps));
  for (const { name } of graph.outputs) last.set(name, Infinity);
  return last;
}

export class PlanSearch {
  readonly #request: SearchRequest;
  readonly #ends: readonly number[];
  readonly #layouts: readonly Layout[];
  readonly #lastReaders: ReadonlyMap<string, number>;
  readonly #partitions = new Map<string, Region[] | undefined>();

  constructor(request: SearchRequest) {
    this.#request = request;
    this.#ends = chosenBoundaries(request.bound, MAX_BOUNDARIES);
    this.#lastReaders = lastReaders(request.bound);
    const speeds = request.participants.map((profile) => profile.macsPerSecond);
    const fastest =
      speeds[request.coordinator]! * 1.2 >= Math.max(...speeds)
        ? request.coordinator
        : speeds.indexOf(Math.max(...speeds));
    const all = request.participants.map((_, index) => index);
    this.#layouts = [
      { cut: WHOLE, participants: [fastest] },
      ...request.cuts.map((cut) => ({ cut, participants: all })),
    ];
  }

  /** Regions of a tensor under a layout, or undefined where it cannot be cut so. */
  #regions(name: string, layout: number): Region[] | undefined {
    const key = `${layout}/${name}`;
    if (this.#partitions.has(key)) return this.#partitions.get(key);
    const shape = this.#request.bound.shapes.get(name);
    const { cut, participants } = this.#layouts[layout]!;
    const weights = participants.map((index) => this.#request.participants[index]!.macsPerSecond);
    const regions = shape && partition(shape, cut, weights);
    this.#partitions.set(key, regions);
    return regions;
  }

  /** For one end and one layout, the segments from every possible beginning (an index into `ends`, -1 for the start). */
  #segmentsEndingAt(end: number, layout: number): Map<number, Segment> {
    const { bound, participants: profiles, isCold } = this.#request;
    const owners = this.#layouts[layout]!.participants;
    const last = this.#ends[end]!;
    const walks = owners.map(() => new BackwardWalk(bound));
    const segments = new Map<number, Segment>();
    const hasOpaque = last >= bound.firstOpaque;
    if (hasOpaque && layout !== 0) return segments;
    let beginning = end - 1;
    for (let index = last; index >= 0; index--) {
      for (const name of bound.steps[index]!.node.outputs) {
        if (name === '' || (this.#lastReaders.get(name) ?? -1) <= last) continue;
        const regions = bound.shapes.has(name) ? this.#regions(name, layout) : walks.map(() => null);
        if (regions === undefined) return segments;
        for (const [part, walk] of walks.entries()) walk.want(name, regions[part]!);
      }
      // What declares nothing may answer differently when it is run twice: its block stays on one participant.
      if (layout !== 0 && bound.steps[index]!.bound === undefined) break;
      for (const walk of walks) walk.visit(index);
      const isBeginning = beginning >= 0 ? this.#ends[beginning] === index - 1 : index === 0;
      if (!isBeginning) continue;
      segments.set(beginning, {
        layout,
        computeMs: walks.map(
          (walk, part) => computeMs(profiles[owners[part]!]!, walk) + (isCold ? prepareMs(walk) : 0),
        ),
        feeds: walks.map((walk) => walk.feeds()),
        macs: walks.reduce((sum, walk) => sum + walk.macs, 0),
      });
      beginning -= 1;
      if (end - beginning > MAX_SPAN && beginning >= 0) {
        if (layout !== 0) break;
        // Only the whole graph at once is still of interest.
        if (last !== bound.steps.length - 1) break;
      }
    }
    return segments;
  }

  /** Who holds what of a tensor before a block that follows a boundary laid out as `layout`. */
  #holders(name: string, layout: number): { readonly participant: number; readonly region: Region }[] {
    const { bound, coordinator } = this.#request;
    const shape = bound.shapes.get(name);
    if (shape === undefined) return [];
    if (!bound.producers.has(name)) return [{ participant: coordinator, region: wholeRegion(shape) }];
    const regions = this.#regions(name, layout) ?? this.#regions(name, 0)!;
    const owners = regions.length === 1 ? this.#layouts[0]!.participants : this.#layouts[layout]!.participants;
    return regions.map((region, part) => ({ participant: owners[part]!, region }));
  }

  /** The time of the slowest participant to get what its part needs. */
  #exchangeMs(before: number, segment: Segment): number {
    const { participants, bound, link } = this.#request;
    const traffic = participants.map(() => ({ bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 }));
    const owners = this.#layouts[segment.layout]!.participants;
    const names = new Set(segment.feeds.flatMap((feeds) => [...feeds.keys()]));
    for (const name of names) {
      const elementBytes = ELEMENT_BYTES[bound.types.get(name) ?? 'float32'];
      for (const { participant: holder, region: held } of this.#holders(name, before)) {
        for (const [part, feeds] of segment.feeds.entries()) {
          const reader = owners[part]!;
          const needed = feeds.get(name);
          if (needed == null || reader === holder) continue;
          const bytes = volume(intersect(held, needed)) * elementBytes;
          if (bytes === 0) continue;
          traffic[reader]!.bytesIn += bytes;
          traffic[reader]!.messagesIn += 1;
          traffic[holder]!.bytesOut += bytes;
          traffic[holder]!.messagesOut += 1;
        }
      }
    }
    return Math.max(...traffic.map((own) => transferMs(link, own)));
  }

  /** Bringing the outputs of the graph to the coordinator. */
  #gatherMs(layout: number): number {
    const { bound, coordinator } = this.#request;
    const feeds = new Map(
      bound.graph.outputs
        .filter(({ name }) => bound.producers.has(name))
        .map(({ name }) => [name, bound.shapes.has(name) ? wholeRegion(bound.shapes.get(name)!) : null] as const),
    );
    const owners = this.#layouts[0]!.participants;
    const own = owners[0] === coordinator ? feeds : new Map<string, Region | null>();
    return owners[0] === coordinator
      ? this.#exchangeMs(layout, { layout: 0, computeMs: [0], feeds: [own], macs: 0 })
      : 0;
  }

  run(): SearchResult | undefined {
    // Nothing to compute: the outputs are inputs, or known beforehand.
    if (this.#ends.length === 0) return { blocks: [], predictedMs: 0 };
    const best: (State | undefined)[][] = this.#ends.map(() => []);
    for (const end of this.#ends.keys()) {
      const bySegment = this.#layouts.map((_, layout) => this.#segmentsEndingAt(end, layout));
      for (const [layout, segments] of bySegment.entries()) {
        for (const [beginning, segment] of segments) {
          const evaded = this.#evaded(segment, bySegment[0]!.get(beginning));
          const state = this.#extend(best, beginning, segment, evaded);
          if (state !== undefined) best[end]![layout] = better(best[end]![layout], state);
        }
      }
    }
    return this.#trace(best);
  }

  /** Multiply-accumulates that evade being cut, where that was asked for: run whole, or everywhere the same. */
  #evaded(segment: Segment, whole: Segment | undefined): number {
    if (this.#request.canRunWhole) return 0;
    if (segment.layout === 0) return segment.macs + 1;
    const isRedundant = whole !== undefined && segment.macs > MAX_REDUNDANCY * whole.macs;
    return isRedundant ? segment.macs - whole.macs : 0;
  }

  #extend(
    best: readonly (State | undefined)[][],
    beginning: number,
    segment: Segment,
    evaded: number,
  ): State | undefined {
    const slowest = Math.max(...segment.computeMs);
    if (beginning < 0) {
      const totalMs = this.#exchangeMs(0, segment) + slowest;
      return { evaded, totalMs, previous: -1, previousLayout: 0, segment };
    }
    let found: State | undefined;
    for (const [previousLayout, state] of best[beginning]!.entries()) {
      if (state === undefined) continue;
      const least = { ...state, evaded: state.evaded + evaded, totalMs: state.totalMs + slowest };
      if (found !== undefined && better(found, least) === found) continue;
      const totalMs = least.totalMs + this.#exchangeMs(previousLayout, segment);
      found = better(found, { evaded: least.evaded, totalMs, previous: beginning, previousLayout, segment });
    }
    return found;
  }

  #trace(best: readonly (State | undefined)[][]): SearchResult | undefined {
    let end = this.#ends.length - 1;
    const finals = best[end]!.flatMap((state, layout) =>
      state === undefined ? [] : [{ layout, evaded: state.evaded, totalMs: state.totalMs + this.#gatherMs(layout) }],
    );
    const winner = finals.reduce<(typeof finals)[number] | undefined>(better, undefined);
    if (winner === undefined) return undefined;
    const blocks: Block[] = [];
    let layout = winner.layout;
    while (end >= 0) {
      const state = best[end]![layout]!;
      blocks.unshift(this.#block(state, end));
      end = state.previous;
      layout = state.previousLayout;
    }
    return { blocks, predictedMs: winner.totalMs };
  }

  #block(state: State, end: number): Block {
    const { bound } = this.#request;
    const first = state.previous < 0 ? 0 : this.#ends[state.previous]! + 1;
    const range = { first, last: this.#ends[end]! };
    const { layout } = state.segment;
    const { cut, participants } = this.#layouts[layout]!;
    const names = blockOutputs(bound, range);
    const parts = participants.map((participant, part) => ({
      participant,
      outputs: Object.fromEntries(
        names.map((name) => [name, bound.shapes.has(name) ? this.#regions(name, layout)![part]! : null]),
      ),
      predictedMs: state.segment.computeMs[part]!,
    }));
    return { ...range, cut, parts };
  }
}
