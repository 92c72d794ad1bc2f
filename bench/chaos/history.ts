/** Judges what clients saw against what the whole model answers, and against what went wrong meanwhile. */
import { differenceOf } from '../../demo/whole-model.ts';
import type { PeerId } from '../../src/core/ids.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import { quantile } from '../measure/statistics.ts';
import type { Answer, Call } from './clients.ts';
import { FAULT_KINDS, type FaultKind, type Incident } from './faults.ts';

/** Of answered requests, in milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Verdict {
  readonly requests: number;
  /** Taken on by some board and never answered. */
  readonly lost: number;
  /** Refused by all boards that were asked, for as long as the client had patience: the mesh had too much in hand. */
  readonly refused: number;
  /** Answered with something else than the whole model's answer. */
  readonly wrong: number;
  /** Answered twice, and not alike. */
  readonly duplicated: number;
  /** Asked at more than one board. */
  readonly askedAgain: number;
  /** Requests that were under way during a fault of that kind. */
  readonly hit: Readonly<Partial<Record<FaultKind, Latency>>>;
  /** Of those that nothing happened to. */
  readonly others: Latency | null;
  /** What was said about the first requests that were lost. */
  readonly reasons: readonly string[];
  /** The requests that took longest, with what happened to them. */
  readonly slowest: readonly SlowCall[];
}

export interface SlowCall {
  readonly id: string;
  readonly tookMs: number;
  /** Boards that were asked, each with when, after the first. */
  readonly tries: readonly string[];
  /** How the answer that came first came about. */
  readonly answer: string;
  readonly refusals: readonly string[];
  /** Faults meanwhile, with when they began and ended after the request was sent. */
  readonly faults: readonly string[];
}

/** A fault is still felt for so long after it has been undone. */
const AFTERMATH_MS = 1_000;
const SHOWN_REASONS = 10;
const SHOWN_SLOW = 12;

export function latencyOf(calls: readonly Call[]): Latency | null {
  const times = calls.flatMap(({ startMs, answers }) => (answers[0] === undefined ? [] : [answers[0].atMs - startMs]));
  if (times.length === 0) return null;
  return { count: times.length, p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: Math.max(...times) };
}

const endOf = ({ startMs, answers }: Call): number => answers[0]?.atMs ?? startMs + Infinity;

const isHitBy = (call: Call, { fromMs, toMs }: Incident): boolean =>
  call.startMs < toMs + AFTERMATH_MS && endOf(call) > fromMs;

/** @param expected what the whole model answers to each of the inputs. @param tolerance relative to the largest value. */
export function judge(
  calls: readonly Call[],
  incidents: readonly Incident[],
  expected: readonly ReadonlyMap<string, Tensor>[],
  tolerance: number,
): Verdict {
  const unanswered = calls.filter(({ answers }) => answers.length === 0);
  const lost = unanswered.filter(({ isAccepted }) => isAccepted);
  const isRight = (call: Call): boolean =>
    call.answers.every(({ outputs }) => differenceOf(expected[call.input]!, outputs).maxRel <= tolerance);
  const isOnce = ({ answers }: Call): boolean =>
    answers.every(({ outputs }) => differenceOf(answers[0]!.outputs, outputs).maxAbs === 0);
  const hit = FAULT_KINDS.flatMap((kind) => {
    const own = incidents.filter((incident) => incident.kind === kind);
    const latency = latencyOf(calls.filter((call) => own.some((incident) => isHitBy(call, incident))));
    return latency === null ? [] : [[kind, latency] as const];
  });
  return {
    requests: calls.length,
    lost: lost.length,
    refused: unanswered.length - lost.length,
    wrong: calls.filter((call) => !isRight(call)).length,
    duplicated: calls.filter((call) => !isOnce(call)).length,
    askedAgain: calls.filter(({ tries }) => tries.length > 1).length,
    hit: Object.fromEntries(hit),
    others: latencyOf(calls.filter((call) => !incidents.some((incident) => isHitBy(call, incident)))),
    slowest: slowest(calls, incidents),
    reasons: lost.slice(0, SHOWN_REASONS).map(({ id, refusals }) => `${id}: ${refusals.join('; ') || 'no word'}`),
  };
}

function describeAnswer({ report }: Answer): string {
  const { names, entry, coordinator, term, attempts, elapsedMs, predictedMs, lostPeers } = report;
  const nameOf = (peer: PeerId): string => names[peer] ?? peer;
  const lost = lostPeers.length === 0 ? '' : `, ${lostPeers.map(nameOf).join(', ')} lost`;
  return (
    `${nameOf(entry)} had it from ${nameOf(coordinator)} in ${Math.round(elapsedMs)} ms, ${Math.round(predictedMs)} expected; ` +
    `term ${term}, plans: ${attempts}${lost}`
  );
}

function slowest(calls: readonly Call[], incidents: readonly Incident[]): readonly SlowCall[] {
  const tookMs = (call: Call): number => endOf(call) - call.startMs;
  return calls
    .filter(({ answers }) => answers.length > 0)
    .toSorted((a, b) => tookMs(b) - tookMs(a))
    .slice(0, SHOWN_SLOW)
    .map((call) => ({
      id: call.id,
      tookMs: tookMs(call),
      tries: call.tries.map(({ board, atMs }) => `${board} after ${Math.round(atMs - call.startMs)} ms`),
      answer: describeAnswer(call.answers[0]!),
      refusals: call.refusals,
      faults: incidents
        .filter((incident) => isHitBy(call, incident))
        .map(({ kind, boards, fromMs, toMs }) => {
          const [from, to] = [fromMs - call.startMs, toMs - call.startMs].map(Math.round);
          return `${kind} of ${boards.join(', ')} from ${from} to ${to} ms`;
        }),
    }));
}
