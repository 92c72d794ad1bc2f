/** A simulation in numbers. */
import type { BoardModel } from './board.ts';
import type { BoardUsage, SimulationResult, Workload } from './simulate.ts';
import type { Purpose, Traffic } from './timeline.ts';

export interface Latency {
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

export interface BoardSummary extends BoardUsage {
  /** Of the time that its kernel could have computed, how much it did. */
  readonly utilisation: number;
  /** Time of the board in which it neither computed nor handled messages, at least. */
  readonly waitingMs: number;
}

export interface SimulationSummary {
  readonly answered: number;
  readonly failed: number;
  readonly refused: number;
  /** Of requests that were answered; null where none was. */
  readonly latency: Latency | null;
  readonly answersPerSecond: number;
  readonly elapsedMs: number;
  /** Requests that more than one coordinator, or more than one plan, was needed for. */
  readonly recovered: number;
  readonly traffic: Readonly<Record<Purpose, Traffic>>;
  readonly boards: readonly BoardSummary[];
}

/** Nearest rank. `sorted`: ascending, not empty. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;

function latencyOf(times: readonly number[]): Latency | null {
  if (times.length === 0) return null;
  const sorted = times.toSorted((a, b) => a - b);
  return {
    medianMs: percentile(sorted, 0.5),
    p95Ms: percentile(sorted, 0.95),
    leastMs: sorted[0]!,
    mostMs: sorted.at(-1)!,
  };
}

/** @param workload what comes in after its end, when the mesh empties, does not count as throughput. */
export function summarise(
  result: SimulationResult,
  models: readonly BoardModel[],
  workload: Workload,
): SimulationSummary {
  const { requests, elapsedMs, boards, timeline } = result;
  const measuredMs = 'seconds' in workload ? workload.seconds * 1000 : elapsedMs;
  const of = (outcome: string): number => requests.filter((request) => request.outcome === outcome).length;
  const answered = requests.filter((request) => request.outcome === 'answered');
  return {
    answered: answered.length,
    failed: of('failed'),
    refused: of('refused'),
    latency: latencyOf(answered.map(({ arrivedMs, endedMs }) => endedMs - arrivedMs)),
    answersPerSecond:
      measuredMs === 0 ? 0 : (answered.filter(({ endedMs }) => endedMs <= measuredMs).length / measuredMs) * 1000,
    elapsedMs,
    recovered: answered.filter(({ terms, attempts, entries }) => Math.max(terms, attempts, entries) > 1).length,
    traffic: timeline.traffic,
    boards: boards.map((board, index): BoardSummary => {
      const { quota, lanes } = models[index]!;
      const ownMs = elapsedMs * (quota === undefined ? 1 : quota.sliceMs / quota.periodMs);
      return {
        ...board,
        utilisation: elapsedMs === 0 ? 0 : board.kernelMs / (ownMs * lanes),
        waitingMs: Math.max(0, ownMs - board.kernelMs / lanes - board.scriptMs),
      };
    }),
  };
}
