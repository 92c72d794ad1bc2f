/** How long requests took that were under way during a fault, by its kind: virtual time, so no machine is too busy for it. */
import type { Call, Fault } from './faults.ts';

export interface Delay {
  /** Of the faults that it saw. */
  readonly kinds: ReadonlySet<Fault['kind']>;
  /** From the call to the answer. */
  readonly tookMs: number;
}

export const delayOf = ({ atMs }: Call, answeredMs: number, faults: readonly Fault[]): Delay => ({
  kinds: new Set(faults.flatMap((fault) => (atMs < fault.untilMs && answeredMs > fault.atMs ? [fault.kind] : []))),
  tookMs: answeredMs - atMs,
});

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;

/** Lines for people: requests that saw a kind of fault and no other, then those that saw several. */
export function describeDelays(delays: readonly Delay[]): readonly string[] {
  const groups = new Map<string, number[]>();
  for (const { kinds, tookMs } of delays) {
    const [first] = kinds;
    const group = kinds.size > 1 ? 'several' : (first ?? 'nothing');
    groups.set(group, [...(groups.get(group) ?? []), tookMs]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, times]) => {
      times.sort((a, b) => a - b);
      const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => `${quantile(times, share).toFixed(0)} ms`.padStart(9));
      return `${group.padEnd(10)}${String(times.length).padStart(7)} requests: median${p50}, 90 %${p90}, 99 %${p99}`;
    });
}
