/** What boards take of processors and cables while they are watched. */
import type { Boards } from './boards.ts';
import type { LinkTraffic } from './network.ts';
import { watchLoad, type Load } from '../measure/machine.ts';
import { threadTimes, threadTimesSince, type ThreadTimes } from '../measure/threads.ts';

/** Of one board, over the time watched. */
export interface BoardUse extends LinkTraffic {
  readonly cpuMs: number;
  readonly threads: ThreadTimes;
}

export interface Use {
  readonly spanMs: number;
  /** In the order of boards. */
  readonly boards: readonly BoardUse[];
  /** Exchanged with whoever sends requests. */
  readonly host: LinkTraffic;
  readonly load: Load;
}

interface Counters {
  readonly cpuMs: readonly number[];
  readonly threads: readonly ThreadTimes[];
  readonly traffic: readonly LinkTraffic[];
  readonly host: LinkTraffic;
}

async function readCounters(boards: Boards): Promise<Counters> {
  const [cpuMs, threads, traffic, host] = await Promise.all([
    boards.cpuMs(),
    Promise.all(boards.boards.map(({ pid }) => threadTimes(pid))),
    boards.network.traffic(),
    boards.network.hostTraffic(),
  ]);
  return { cpuMs, threads, traffic, host };
}

const trafficSince = (before: LinkTraffic, after: LinkTraffic): LinkTraffic => ({
  sentBytes: after.sentBytes - before.sentBytes,
  receivedBytes: after.receivedBytes - before.receivedBytes,
});

/** Runs `work`, and tells what the boards took meanwhile. */
export async function watch<Result>(
  boards: Boards,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly use: Use }> {
  const before = await readCounters(boards);
  const loadSince = await watchLoad();
  const startedMs = performance.now();
  const result = await work();
  const spanMs = performance.now() - startedMs;
  const load = await loadSince();
  const after = await readCounters(boards);
  const perBoard = boards.boards.map((_, index) => ({
    cpuMs: after.cpuMs[index]! - before.cpuMs[index]!,
    threads: threadTimesSince(before.threads[index]!, after.threads[index]!),
    ...trafficSince(before.traffic[index]!, after.traffic[index]!),
  }));
  return { result, use: { spanMs, boards: perBoard, host: trafficSince(before.host, after.host), load } };
}
