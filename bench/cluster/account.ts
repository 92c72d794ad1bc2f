/**
 * Where the time of requests went, from their reports. The bound: the work of the whole model shared out evenly, and the
 * busiest cable at line rate. The rest adds up to the measured time:
 *
 * - even: the whole model's time by the number of boards;
 * - redundant: what tiles compute beyond that, because halos overlap and thin tiles run slower (by processor time);
 * - stalled: how much longer a kernel took by the clock, because its board's share was used up or the machine was busy;
 * - imbalance: what the slowest tile of each block takes beyond the average board;
 * - between: everything else, from planning to messages, transfers and stalls.
 */
import type { PeerId } from '../../src/core/ids.ts';
import type { RunReport } from '../../src/core/report.ts';
import { median, sum } from '../measure/statistics.ts';

export interface AccountFacts {
  readonly boards: number;
  /** Of the whole model on one board, without a mesh. */
  readonly wholeMs: number;
  readonly linkMbit: number;
  /** Processor time of the whole model, and of all kernels in one request. */
  readonly wholeCpuMs: number;
  readonly kernelCpuMs: number;
  /** Of the input of the model. */
  readonly inputBytes: number;
}

export interface Account {
  /** Lowest time that this setting allows. */
  readonly boundMs: number;
  readonly evenMs: number;
  readonly lineMs: number;
  readonly redundantMs: number;
  readonly stalledMs: number;
  readonly imbalanceMs: number;
  readonly betweenMs: number;
  /** Processor time in the kernels of all boards by that of the whole model. */
  readonly workFactor: number;
  /** What the plan expected. */
  readonly predictedMs: number;
}

/** Share of one board in a request. */
export interface BoardShare {
  readonly tiles: number;
  readonly computeMs: number;
  readonly receivedBytes: number;
}

export function sharesOf(report: RunReport): ReadonlyMap<PeerId, BoardShare> {
  const shares = new Map<PeerId, BoardShare>();
  for (const { peer, computeMs, haloBytes } of report.blocks.flatMap((block) => block.parts)) {
    const known = shares.get(peer) ?? { tiles: 0, computeMs: 0, receivedBytes: 0 };
    shares.set(peer, {
      tiles: known.tiles + 1,
      computeMs: known.computeMs + computeMs,
      receivedBytes: known.receivedBytes + haloBytes,
    });
  }
  return shares;
}

/** Time of the slowest tile of each block, one after the other. */
const criticalMs = (report: RunReport): number =>
  sum(report.blocks.map((block) => Math.max(0, ...block.parts.map((part) => part.computeMs))));

const computeMs = (report: RunReport): number =>
  sum(report.blocks.flatMap((block) => block.parts.map((part) => part.computeMs)));

/** Bytes on the busiest cable: a participant's in one direction, or those of the coordinator, with the input that it was sent. */
function busiestBytes(report: RunReport, inputBytes: number): number {
  const received = [...sharesOf(report).values()].map((share) => share.receivedBytes);
  const handedOn = report.coordinator === report.entry ? 0 : inputBytes;
  return Math.max(0, ...received, report.bytesThroughCoordinator, handedOn);
}

/** Medians over the requests; so the parts add up to the median time only nearly. */
export function account(reports: readonly RunReport[], facts: AccountFacts): Account {
  const { boards, wholeMs, linkMbit, inputBytes } = facts;
  const workFactor = facts.kernelCpuMs / facts.wholeCpuMs;
  const evenMs = wholeMs / boards;
  const lineMs = median(reports.map((report) => (busiestBytes(report, inputBytes) * 8) / (linkMbit * 1e3)));
  const averageMs = reports.map((report) => computeMs(report) / boards);
  return {
    boundMs: evenMs + lineMs,
    evenMs,
    lineMs,
    redundantMs: evenMs * (workFactor - 1),
    stalledMs: median(averageMs) - evenMs * workFactor,
    imbalanceMs: median(reports.map((report, index) => criticalMs(report) - averageMs[index]!)),
    betweenMs: median(reports.map((report) => report.elapsedMs - criticalMs(report))),
    workFactor,
    predictedMs: median(reports.map((report) => report.predictedMs)),
  };
}
