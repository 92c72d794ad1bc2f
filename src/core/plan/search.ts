/**
 * Dynamic programming over block boundaries. State: how the boundary tensor is laid out over the participants. Choice: where
 * the next block ends and how it is cut. Objective: the makespan of one request.
 */
import {
  computeMs,
  overheadsOf,
  transferMs,
  type LinkProfile,
  type Overheads,
  type PeerProfile,
} from '../cost/cost-model.ts';
import { wholeRegion, type Region } from '../geometry/region.ts';
import type { BoundGraph } from '../graph/bind.ts';
import { demandOf } from '../program/demand.ts';
import { ELEMENT_BYTES } from '../tensor/data-type.ts';
import { blockOutputs, chosenBoundaries } from './boundaries.ts';
import { eachOverlap, toBoxes, type Boxes } from './boxes.ts';
import { layoutsFor, type Layout } from './layout.ts';
import { partition } from './partition.ts';
import type { Block, Cut } from './plan.ts';
import { segmentsEndingAt, type Segment } from './segment.ts';

/** Time to plan grows with the square of this. */
const MAX_BOUNDARIES = 48;
/** Layouts of a boundary from which a search goes on: one that is far behind the best never catches up. */
const BEAM = 8;
/** Where cutting is asked for, a block that computes more than this many times its work does not count as cut. */
const MAX_REDUNDANCY = 1.5;

export interface SearchRequest {
  readonly bound: BoundGraph;
  /** Those who may compute. */
  readonly participants: readonly PeerProfile[];
  readonly link: LinkProfile;
  /** Whether blocks may as well run on fewer participants, or on one; otherwise as much as can be is cut over all. */
  readonly isFree: boolean;
  /** Whether programs have to be made ready first, so that the time for that counts. */
  readonly isCold: boolean;
  /** What weights cost beyond their time: so many times the whole work for a peer's memory full of them. */
  readonly thrift: number;
}

/** The layout that a block of the plan was chosen before. */
export interface RunnerUp {
  readonly cut: Cut;
  readonly parts: number;
  /** First step of the block that would have ended at the same boundary. */
  readonly first: number;
  /** How much later the layers up to there, and the exchange after them, would be done. */
  readonly lossMs: number;
}

export interface SearchResult {
  readonly blocks: readonly Block[];
  readonly predictedMs: number;
  /** For each block; undefined where no other layout came far enough. */
  readonly runnersUp: readonly (RunnerUp | undefined)[];
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
  /** Weights that each participant reads, in bytes. */
  readonly weightBytes: Float64Array;
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

/** The time of the last layout that is still worth going on from. */
function limitOf(states: readonly (State | undefined)[]): number {
  const times = states.flatMap((state) => (state === undefined ? [] : [state.totalMs])).sort((a, b) => a - b);
  return times[BEAM - 1] ?? Infinity;
}

/** The last step that reads each value; never before the end for outputs of the graph. */
function lastReaders({ readers, graph }: BoundGraph): Map<string, number> {
  const last = new Map<string, number>();
  for (const [name, steps] of readers) last.set(name, Math.max(...steps));
  for (const { name } of graph.outputs) last.set(name, Infinity);
  return last;
}

/** Multiply-accumulates of the steps before each, nothing computed twice. */
function macsBefore({ steps }: BoundGraph): number[] {
  const sums = [0];
  for (const { bound } of steps) {
    const own = bound === undefined ? 0 : (bound.rule.macs?.(bound.facts, wholeRegion(bound.facts.outputs[0]!)) ?? 0);
    sums.push(sums.at(-1)! + own);
  }
  return sums;
}

export class PlanSearch {
  readonly #request: SearchRequest;
  readonly #ends: readonly number[];
  readonly #layouts: readonly Layout[];
  readonly #overheads: readonly Overheads[];
  readonly #lastReaders: ReadonlyMap<string, number>;
  readonly #macsBefore: readonly number[];
  /** By layout, then by name. */
  readonly #partitions: readonly Map<string, Region[] | undefined>[];
  readonly #boxes: readonly Map<string, Boxes | undefined>[];
  /** Bytes in, bytes out, messages in, messages out of each participant, and of the world outside behind them. */
  readonly #traffic: Float64Array;

  constructor(request: SearchRequest) {
    const { bound, participants, isFree } = request;
    this.#request = request;
    this.#ends = chosenBoundaries(bound, MAX_BOUNDARIES);
    this.#lastReaders = lastReaders(bound);
    this.#macsBefore = macsBefore(bound);
    this.#layouts = layoutsFor(bound, participants, isFree);
    this.#partitions = this.#layouts.map(() => new Map());
    this.#boxes = this.#layouts.map(() => new Map());
    // Inputs come from outside and outputs go there; whoever that is, it is no slower than the first participant.
    this.#overheads = [...participants, participants[0]!].map(overheadsOf);
    this.#traffic = new Float64Array(this.#overheads.length * 4);
  }

  /** Regions of a tensor under a layout, or undefined where it cannot be cut so. */
  #regions(name: string, layout: number): Region[] | undefined {
    const known = this.#partitions[layout]!;
    if (known.has(name)) return known.get(name);
    const { bound, participants } = this.#request;
    const shape = bound.shapes.get(name);
    const { cut, participants: owners } = this.#layouts[layout]!;
    const weights = owners.map((index) => participants[index]!.macsPerSecond);
    const regions = shape && partition(shape, cut, weights, bound.arithmetic);
    known.set(name, regions);
    return regions;
  }

  #boxesOf(name: string, layout: number): Boxes | undefined {
    const known = this.#boxes[layout]!;
    if (known.has(name)) return known.get(name);
    const regions = this.#regions(name, layout);
    const boxes = regions && toBoxes(regions);
    known.set(name, boxes);
    return boxes;
  }

  #segmentsEndingAt(end: number, layout: number): Map<number, Segment> {
    const { bound, participants, isCold } = this.#request;
    return segmentsEndingAt(
      {
        bound,
        profiles: participants,
        isCold,
        ends: this.#ends,
        lastReaders: this.#lastReaders,
        index: layout,
        layout: this.#layouts[layout]!,
        regions: (name) => this.#regions(name, layout),
      },
      end,
      (first, last) => this.#macsBefore[last + 1]! - this.#macsBefore[first]!,
    );
  }

  /**
   * The time of the slowest participant to get what its part needs, the boundary before being laid out as `before`; or, once
   * it is seen to be more than `limitMs`, something above that.
   */
  #exchangeMs(
    before: number,
    feeds: ReadonlyMap<string, Boxes>,
    readers: readonly number[],
    limitMs = Infinity,
  ): number {
    const { bound } = this.#request;
    const outside = this.#request.participants.length;
    this.#traffic.fill(0);
    for (const [name, needed] of feeds) {
      const elementBytes = ELEMENT_BYTES[bound.types.get(name) ?? 'float32'];
      if (!bound.producers.has(name)) {
        const whole = this.#boxesOf(name, 0);
        if (whole !== undefined) this.#count(whole, [outside], needed, readers, elementBytes, limitMs);
        continue;
      }
      // What lies further back may be laid out in another way: that is not followed.
      const layout = this.#boxesOf(name, before) === undefined ? 0 : before;
      const held = this.#boxesOf(name, layout);
      if (held === undefined) continue;
      this.#count(held, this.#layouts[layout]!.participants, needed, readers, elementBytes, limitMs);
    }
    return this.#slowestMs();
  }

  #count(
    held: Boxes,
    holders: readonly number[],
    needed: Boxes,
    readers: readonly number[],
    elementBytes: number,
    limitMs: number,
  ): void {
    const traffic = this.#traffic;
    const note = (own: number, part: number, elements: number): void => {
      const holder = holders[part]! * 4;
      const reader = readers[own]! * 4;
      if (reader === holder) return;
      traffic[reader]! += elements * elementBytes;
      traffic[holder + 1]! += elements * elementBytes;
      traffic[reader + 2]! += 1;
      traffic[holder + 3]! += 1;
    };
    // Where all is needed everywhere, one reader tells of the rest.
    const isTooMuch = (own: number): boolean => this.#timeOf(readers[own]!) > limitMs;
    eachOverlap(needed, held, note, limitMs === Infinity ? undefined : isTooMuch);
  }

  /** Of what is counted for a participant. */
  #timeOf(index: number): number {
    const traffic = this.#traffic;
    const messagesIn = traffic[index * 4 + 2]!;
    const messagesOut = traffic[index * 4 + 3]!;
    if (messagesIn + messagesOut === 0) return 0;
    const own = { bytesIn: traffic[index * 4]!, bytesOut: traffic[index * 4 + 1]!, messagesIn, messagesOut };
    return transferMs(this.#request.link, this.#overheads[index]!, own);
  }

  #slowestMs(): number {
    let slowest = 0;
    for (let index = 0; index < this.#overheads.length; index++) slowest = Math.max(slowest, this.#timeOf(index));
    return slowest;
  }

  /** Bringing the outputs of the graph to whoever assembles them. */
  #gatherMs(layout: number): number {
    const { bound, participants } = this.#request;
    const names = bound.graph.outputs.map(({ name }) => name).filter((name) => bound.producers.has(name));
    const feeds = new Map(
      names.flatMap((name) => {
        const shape = bound.shapes.get(name);
        return shape === undefined ? [] : [[name, toBoxes([wholeRegion(shape)])] as const];
      }),
    );
    return this.#exchangeMs(layout, feeds, [participants.length]);
  }

  run(): SearchResult | undefined {
    // Nothing to compute: the outputs are inputs, or known beforehand.
    if (this.#ends.length === 0) return { blocks: [], predictedMs: 0, runnersUp: [] };
    const best: (State | undefined)[][] = [];
    for (const end of this.#ends.keys()) best.push(this.#statesAt(end, best));
    return this.#trace(best);
  }

  /** By layout, the best way found to each; only the fastest of them when the search is free to choose. */
  #statesAt(end: number, best: readonly (readonly (State | undefined)[])[]): (State | undefined)[] {
    const fastest = best.map((states) => Math.min(...states.map((state) => state?.totalMs ?? Infinity)));
    const candidates = [...this.#layouts.keys()].flatMap((layout) =>
      [...this.#segmentsEndingAt(end, layout)].map(([beginning, segment]) => ({
        beginning,
        segment,
        leastMs: this.#costMs(segment) + (beginning < 0 ? 0 : fastest[beginning]!),
      })),
    );
    candidates.sort((a, b) => a.leastMs - b.leastMs);
    const states: (State | undefined)[] = [];
    for (const { beginning, segment, leastMs } of candidates) {
      const limitMs = this.#request.isFree ? limitOf(states) : Infinity;
      if (leastMs > limitMs) break;
      const state = this.#extend(best, beginning, end, segment, limitMs);
      if (state !== undefined) states[segment.layout] = better(states[segment.layout], state);
    }
    const limit = this.#request.isFree ? limitOf(states) : Infinity;
    return this.#layouts.map((_, layout) => {
      const state = states[layout];
      return state === undefined || state.totalMs > limit ? undefined : state;
    });
  }

  /** Time of the slowest part, and what its weights are made to cost. */
  #costMs(segment: Segment): number {
    return segment.slowestMs + this.#thriftMs(segment);
  }

  #thriftMs({ weightShare }: Segment): number {
    const { thrift, participants } = this.#request;
    return thrift === 0
      ? 0
      : ((thrift * this.#macsBefore.at(-1)!) / participants[0]!.macsPerSecond) * 1000 * weightShare;
  }

  /** Multiply-accumulates that evade being cut, where that was asked for: run whole, or everywhere the same. */
  #evaded(segment: Segment, beginning: number, end: number): number {
    if (this.#request.isFree) return 0;
    if (segment.layout === 0) return segment.macs + 1;
    const first = beginning < 0 ? 0 : this.#ends[beginning]! + 1;
    const own = this.#macsBefore[this.#ends[end]! + 1]! - this.#macsBefore[first]!;
    return segment.macs > MAX_REDUNDANCY * own ? segment.macs - own : 0;
  }

  /** Weights of all blocks so far, by participant; undefined where somebody's would exceed its memory. */
  #weightBytes(before: State | undefined, segment: Segment): Float64Array | undefined {
    const { participants } = this.#request;
    const bytes = before === undefined ? new Float64Array(participants.length) : before.weightBytes.slice();
    for (const [part, participant] of this.#layouts[segment.layout]!.participants.entries()) {
      bytes[participant]! += segment.weightBytes[part]!;
      if (bytes[participant]! > participants[participant]!.memoryBudgetBytes) return undefined;
    }
    return bytes;
  }

  #extend(
    best: readonly (readonly (State | undefined)[])[],
    beginning: number,
    end: number,
    segment: Segment,
    limitMs: number,
  ): State | undefined {
    const evaded = this.#evaded(segment, beginning, end);
    const readers = this.#layouts[segment.layout]!.participants;
    if (beginning < 0) {
      const weightBytes = this.#weightBytes(undefined, segment);
      if (weightBytes === undefined) return undefined;
      const totalMs = this.#exchangeMs(0, segment.feeds(), readers) + this.#costMs(segment);
      return { evaded, totalMs, previous: -1, previousLayout: 0, segment, weightBytes };
    }
    let found: State | undefined;
    for (const [previousLayout, state] of best[beginning]!.entries()) {
      if (state === undefined || state.totalMs + this.#costMs(segment) > limitMs) continue;
      const least = { evaded: state.evaded + evaded, totalMs: state.totalMs + this.#costMs(segment) };
      if (found !== undefined && better<{ evaded: number; totalMs: number }>(found, least) === found) continue;
      const mostMs = found === undefined || found.evaded > least.evaded ? limitMs : found.totalMs;
      const exchangeMs = this.#exchangeMs(previousLayout, segment.feeds(), readers, mostMs - least.totalMs);
      const totalMs = least.totalMs + exchangeMs;
      if (found !== undefined && better<{ evaded: number; totalMs: number }>(found, { ...least, totalMs }) === found) {
        continue;
      }
      const weightBytes = this.#weightBytes(state, segment);
      if (weightBytes === undefined) continue;
      found = { ...least, totalMs, previous: beginning, previousLayout, segment, weightBytes };
    }
    return found;
  }

  #trace(best: readonly (readonly (State | undefined)[])[]): SearchResult | undefined {
    let end = this.#ends.length - 1;
    const finals = best[end]!.flatMap((state, layout) =>
      state === undefined ? [] : [{ layout, evaded: state.evaded, totalMs: state.totalMs + this.#gatherMs(layout) }],
    );
    const winner = finals.reduce<(typeof finals)[number] | undefined>(better, undefined);
    if (winner === undefined) return undefined;
    const blocks: Block[] = [];
    const runnersUp: (RunnerUp | undefined)[] = [];
    let { layout, totalMs: predictedMs } = winner;
    let onwardsMs = (from: number): number => this.#gatherMs(from);
    while (end >= 0) {
      const state = best[end]![layout]!;
      const readers = this.#layouts[state.segment.layout]!.participants;
      predictedMs -= this.#thriftMs(state.segment);
      blocks.unshift(this.#block(state, end));
      runnersUp.unshift(this.#runnerUp(best[end]!, layout, onwardsMs));
      end = state.previous;
      layout = state.previousLayout;
      onwardsMs = (from) => this.#exchangeMs(from, state.segment.feeds(), readers);
    }
    return { blocks, predictedMs, runnersUp };
  }

  /** The best of the other layouts of a boundary, those that follow being as they are. */
  #runnerUp(
    states: readonly (State | undefined)[],
    chosen: number,
    onwardsMs: (layout: number) => number,
  ): RunnerUp | undefined {
    const least = states[chosen]!.totalMs + onwardsMs(chosen);
    const others = states.flatMap((state, layout) =>
      state === undefined || layout === chosen || state.evaded > states[chosen]!.evaded
        ? []
        : [{ state, layout, lossMs: state.totalMs + onwardsMs(layout) - least }],
    );
    if (others.length === 0) return undefined;
    const { state, layout, lossMs } = others.reduce((one, other) => (other.lossMs < one.lossMs ? other : one));
    const { cut, participants } = this.#layouts[layout]!;
    const first = state.previous < 0 ? 0 : this.#ends[state.previous]! + 1;
    return { cut, parts: participants.length, first, lossMs };
  }

  #block({ previous, segment }: State, end: number): Block {
    const { bound } = this.#request;
    const first = previous < 0 ? 0 : this.#ends[previous]! + 1;
    const range = { first, last: this.#ends[end]! };
    const { layout } = segment;
    const { cut, participants } = this.#layouts[layout]!;
    const names = blockOutputs(bound, range);
    const parts = participants.map((participant, part) => {
      const outputs = Object.fromEntries(
        names.map((name) => [name, bound.shapes.has(name) ? this.#regions(name, layout)![part]! : null]),
      );
      const work = demandOf(bound, range, new Map(Object.entries(outputs)));
      return { participant, outputs, predictedMs: computeMs(this.#request.participants[participant]!, work) };
    });
    return { ...range, cut, parts };
  }
}
