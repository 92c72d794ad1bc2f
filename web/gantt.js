/** Who did what when, as positions: for each peer a row of what it computed, and two lines of what it sent and received. */
import { movesOf } from './trace.js';

export const ROW = 38;
export const AXIS = 24;
const COMPUTE = 18;
const CABLE = 5;
/** What is shorter is drawn so wide, or it would not be seen. */
const MIN_BAR = 1.5;

/** A round step of milliseconds, so that there are about `count` in a span. @param {number} spanMs @param {number} count */
export function tickMs(spanMs, count) {
  const raw = Math.max(1e-6, spanMs / Math.max(1, count));
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw * 0.999) ?? raw;
}

/** Moments that explain a gap. */
const SHOWN_MARKS = new Set(['coordinator lost', 'planning again', 'failed']);

/**
 * Where the chart begins: at 0, or shortly before anything is computed or sent where that takes more than a third of the time.
 * @param {any} trace @returns {number}
 */
export function workBeginsMs(trace) {
  const starts = trace.peers.flatMap(({ computed, sent }) => [...computed, ...sent].map(({ startMs }) => startMs));
  const first = starts.reduce((least, startMs) => Math.min(least, startMs), Infinity);
  if (!Number.isFinite(first) || first < trace.elapsedMs / 3) return 0;
  return Math.max(0, first - (trace.elapsedMs - first) / 20);
}

/**
 * @param {any} trace @param {readonly string[]} peers in order @param {number} width pixels @param {number} left room for names
 * @param {number} fromMs where the chart begins
 * @returns {{ height: number, totalMs: number, ticks: any[], tiles: any[], moves: any[], marks: any[], y: (peer: string) => number }} in pixels
 */
export function layOutGantt(trace, peers, width, left, fromMs = 0) {
  const ends = trace.peers.flatMap(({ computed }) => computed.map(({ endMs }) => endMs));
  const totalMs = Math.max(fromMs + 0.001, trace.elapsedMs, ...ends);
  const scale = (width - left - 10) / (totalMs - fromMs);
  const x = (ms) => left + Math.max(0, ms - fromMs) * scale;
  const y = (peer) => AXIS + peers.indexOf(peer) * ROW;
  const bar = (startMs, endMs) => ({
    x: x(startMs),
    width: Math.max(MIN_BAR, (endMs - Math.max(fromMs, startMs)) * scale),
  });

  const step = tickMs(totalMs - fromMs, (width - left) / 90);
  const ticks = [];
  for (let index = Math.ceil(fromMs / step); index * step <= totalMs; index += 1)
    ticks.push({ x: x(index * step), ms: index * step });

  const tiles = trace.peers.flatMap(({ peer, computed }) => {
    const lanes = Math.max(1, ...computed.map(({ lane }) => lane + 1));
    return computed.map((span) => ({
      ...span,
      peer,
      ...bar(span.startMs, span.endMs),
      y: y(peer) + 3 + (span.lane * COMPUTE) / lanes,
      height: COMPUTE / lanes - (lanes > 1 ? 1 : 0),
    }));
  });
  const moves = movesOf(trace).map((move) => ({
    ...move,
    out: { ...bar(move.startMs, move.sentMs), y: y(move.from) + 3 + COMPUTE + 2, height: CABLE },
    in: {
      ...bar(Math.min(move.sentMs, move.endMs), move.endMs),
      y: y(move.to) + 3 + COMPUTE + 2 + CABLE + 1,
      height: CABLE,
    },
  }));
  const marks = trace.peers.flatMap(({ peer, marks: own }) =>
    own.flatMap(({ what, atMs }) => (SHOWN_MARKS.has(what) ? [{ x: x(atMs), y: y(peer), what, atMs }] : [])),
  );
  return { height: AXIS + peers.length * ROW + 4, totalMs, ticks, tiles, moves, marks, y };
}
