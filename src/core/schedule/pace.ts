/**
 * How much slower peers are than they say of themselves, as seen in real runs: noted at once when a peer is slower, and
 * believed less and less when nothing is seen of it, so that it is tried again. Moves in steps, lest plans, with their programs
 * and weights, change with the noise.
 */
import type { PeerId } from '../ids.ts';
import { taskKey } from '../plan/dataflow.ts';
import type { Plan } from '../plan/plan.ts';

export interface Pace {
  /** Times slower than it says; at least 1. */
  readonly slowdown: number;
  readonly atMs: number;
}

export const AS_IT_SAYS: Pace = Object.freeze({ slowdown: 1, atMs: 0 });

/** What is beyond 1 halves in this time. */
const HALF_LIFE_MS = 5_000;
const MAX_SLOWDOWN = 16;
/** Less is noise. */
const LEAST_SLOWDOWN = 2;
/** Of a peer whose tiles others had to compute nothing was measured. */
export const LATE_SLOWDOWN = MAX_SLOWDOWN;
/** Tiles that take less in all tell nothing: a thread may be kept waiting for as long. */
const LEAST_MS = 100;

const slowdownAt = ({ slowdown, atMs }: Pace, nowMs: number): number =>
  1 + (slowdown - 1) * 2 ** ((atMs - nowMs) / HALF_LIFE_MS);

/** @param seen times slower than the peer was taken to be in that run. `nowMs` never runs backwards. */
export function observePace(before: Pace, seen: number, nowMs: number): Pace {
  const known = slowdownAt(before, nowMs);
  const slowdown = Math.min(MAX_SLOWDOWN, Math.max(1, seen * stepOf(known)));
  if (slowdown >= known) return slowdown < LEAST_SLOWDOWN ? before : { slowdown, atMs: nowMs };
  return { slowdown: (known + slowdown) / 2, atMs: nowMs };
}

/** By what to divide the speed that the peer says it has: a power of two, 1 where nothing speaks against it. */
export const paceAt = (pace: Pace, nowMs: number): number => stepOf(slowdownAt(pace, nowMs));

const stepOf = (slowdown: number): number => (slowdown < LEAST_SLOWDOWN ? 1 : 2 ** Math.round(Math.log2(slowdown)));

/**
 * How many times longer than planned each participant took, where 1 is the median of all of them: what slows down all alike
 * says nothing about one. Of those with too little to do, and of one alone, nothing is said.
 */
export function pacesOf(
  { participants, blocks }: Plan,
  tiles: readonly { readonly block: number; readonly part: number; readonly computeMs: number }[],
): ReadonlyMap<PeerId, number> {
  const took = new Map(tiles.map(({ block, part, computeMs }) => [taskKey(block, part), computeMs]));
  const sums = participants.map(() => ({ tookMs: 0, plannedMs: 0 }));
  for (const [block, { parts }] of blocks.entries()) {
    for (const [part, { participant, predictedMs }] of parts.entries()) {
      const sum = sums[participant]!;
      sum.tookMs += took.get(taskKey(block, part)) ?? 0;
      sum.plannedMs += predictedMs;
    }
  }
  const ratios = sums.map(({ tookMs, plannedMs }) => (plannedMs > 0 ? tookMs / plannedMs : 0));
  const median =
    ratios.filter((ratio) => ratio > 0).toSorted((a, b) => a - b)[Math.floor((ratios.length - 1) / 2)] ?? 0;
  if (participants.length < 2 || median === 0) return new Map();
  return new Map(
    participants.flatMap((peer, index) => (sums[index]!.tookMs >= LEAST_MS ? [[peer, ratios[index]! / median]] : [])),
  );
}
