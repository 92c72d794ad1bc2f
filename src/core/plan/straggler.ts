/**
 * Who is late: alive, at work, and so much slower than the cost model explains that the others do not go on waiting. What is
 * late for all is nobody's lateness: a peer is measured against the plan at the pace at which the others carried it out, and
 * only while most of them wait for it.
 */
import type { PeerId } from '../ids.ts';
import { taskKey } from './dataflow.ts';
import type { Block } from './plan.ts';

export interface Delays {
  readonly blocks: readonly Block[];
  readonly predictedMs: number;
  /** How many times longer than usual latecomers are waited for; Infinity where nobody else could do it. */
  readonly patience: number;
  /** When the inputs were handed out. */
  readonly startMs: number;
  /** When a participant last became ready. */
  readonly readyMs: number;
  /** How long each has held up most of the others, as far as was seen when it was looked. */
  readonly heldMs: ReadonlyMap<PeerId, number>;
}

/** What latecomers() reads of a course. */
export interface Run {
  readonly participants: ReadonlySet<PeerId>;
  readonly open: readonly ReadonlyMap<string, PeerId>[];
  readonly lastTileMs: number;
  readonly delays: Delays;
}

/** How often it is looked who is waited for. */
export const LOOK_MS = 250;
/** Nobody is late by less: participants tell of their tiles four times a second. */
export const LATE_MS = 500;
/** So many times what the plan says of a tile, at the pace of the others. */
const LATE_TILES = 3;
/** One that does it all alone is compared with nobody: */
const LATE_ALONE_MS = 1_500;
const LATE_ALONE_TILES = 8;
/** Or late by little, again and again: held up the others for so long in all, */
export const LATE_IN_ALL_MS = 1_000;
/** and for this share of the time. */
const LATE_SHARE = 0.6;
/** Whoever prepares for so many times as long as all others took is late, and by no less: starting over costs all of it again. */
const LATE_PREPARATIONS = 4;
export const LATE_PREPARING_MS = 2_000;

/** No more than half of them: what most are late with is nobody's fault. */
export const isFew = (peers: number, participants: ReadonlySet<PeerId>): boolean =>
  peers > 0 && 2 * peers <= participants.size;

/** Whether those that are not ready hold up the others without having to fetch anything. */
export function isLateInPreparing(
  { patience, readyMs }: Delays,
  unready: ReadonlySet<PeerId>,
  participants: ReadonlySet<PeerId>,
  fetching: ReadonlySet<PeerId>,
  beganMs: number,
  nowMs: number,
): boolean {
  if (!isFew(unready.size, participants) || [...unready].some((peer) => fetching.has(peer))) return false;
  return nowMs - readyMs >= patience * Math.max(LATE_PREPARING_MS, LATE_PREPARATIONS * (readyMs - beganMs));
}

/**
 * The late ones among those that owe the earliest unfinished block.
 * @returns what is noted about delays, and the peers to go on without.
 */
export function latecomers(
  { participants, open, lastTileMs, delays }: Run,
  owing: readonly PeerId[],
  nowMs: number,
): readonly [Delays, readonly PeerId[]] {
  const block = open.findIndex((tiles) => tiles.size > 0);
  const isAlone = participants.size === 1;
  if (block < 0 || !(isAlone || isFew(owing.length, participants))) return [delays, []];
  const { blocks, patience, startMs } = delays;
  const longest = (index: number): number => Math.max(0, ...blocks[index]!.parts.map(({ predictedMs }) => predictedMs));
  const promisedMs = blocks.slice(0, block + 1).reduce((sum, _, index) => sum + longest(index), 0);
  const pace = Math.max(1, (lastTileMs - startMs) / Math.max(1, promisedMs));
  const owed = blocks[block]!.parts.filter((_, part) => open[block]!.has(taskKey(block, part)));
  const tileMs = Math.max(0, ...owed.map(({ predictedMs }) => predictedMs));
  if (isAlone) {
    const isLate = nowMs - lastTileMs >= patience * Math.max(LATE_ALONE_MS, LATE_ALONE_TILES * tileMs);
    return [delays, isLate ? owing : []];
  }
  const explainedMs = LATE_TILES * pace * tileMs;
  if (nowMs - lastTileMs >= patience * Math.max(LATE_MS, explainedMs)) return [delays, owing];
  const sinceMs = Math.min(LOOK_MS, nowMs - lastTileMs);
  const heldMs = new Map(delays.heldMs);
  for (const peer of owing) heldMs.set(peer, (heldMs.get(peer) ?? 0) + sinceMs);
  const enoughMs = Math.max(patience * Math.max(LATE_IN_ALL_MS, explainedMs), LATE_SHARE * (nowMs - startMs));
  return [{ ...delays, heldMs }, owing.filter((peer) => (heldMs.get(peer) ?? 0) >= enoughMs)];
}
