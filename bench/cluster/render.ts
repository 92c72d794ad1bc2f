/** The result of `cluster` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import {
  formatBytes,
  formatCores,
  formatMs,
  formatShare,
  formatTimes,
  renderAccount,
  renderAnswers,
  renderLoad,
  renderRows,
  type Row,
} from '../report.ts';
import type { ClusterResult } from './measure.ts';

export function renderCluster(terminal: Terminal, result: ClusterResult): string {
  const { setting, baseline, latencyMs, clientLatencyMs, account, plan, bytes, cpuMs, answers, load } = result;
  const share = setting.cpu * setting.peers;
  const outside = cpuMs.eventLoops + cpuMs.engine + cpuMs.other;
  const rows: readonly Row[] = [
    ['whole model, no mesh', `${formatMs(baseline.meanMs)} on ${formatCores(setting.cpu)}, one thread`],
    ...result.furtherBaselines.map(
      ({ cores, meanMs }) => ['', `${formatMs(meanMs)} on ${formatCores(cores)}`] as const,
    ),
    ['mesh', `${formatMs(latencyMs.median)} median, ${formatMs(latencyMs.p95)} p95 of ${latencyMs.count} requests`],
    ['at the client', `${formatMs(clientLatencyMs.median)} median, ${formatMs(clientLatencyMs.p95)} p95`],
    ['speed-up', `${formatTimes(result.speedUp)}, efficiency ${formatShare(result.efficiency)}`],
    ...renderAccount(account, baseline.meanMs),
    ['plan', `${plan.cut}; predicted ${formatMs(account.predictedMs)}`],
    [
      'moved a request',
      `${formatBytes(bytes.peerToPeer)} between peers, ${formatBytes(bytes.throughCoordinator)} through the coordinator; ` +
        `on all cables ${formatBytes(bytes.onCables)}, of and to the client ${formatBytes(bytes.withClient)}`,
    ],
    [
      'processor a request',
      `${formatMs(cpuMs.kernels)} in kernels (whole model: ${formatMs(baseline.cpuMs)}), ${formatMs(outside)} outside: event ` +
        `loops ${formatMs(cpuMs.eventLoops)}, engine ${formatMs(cpuMs.engine)}, other ${formatMs(cpuMs.other)}`,
    ],
    [
      'an idle board takes',
      `${formatShare(result.idleCores)} of a core, ${formatShare(result.idleCores / setting.cpu)} of its share`,
    ],
    renderAnswers(answers),
    ...(result.recoveries === 0
      ? []
      : [['recoveries', `${result.recoveries} requests were planned again: a board seemed lost`] as const]),
    renderLoad(load),
  ];
  const heading = `${setting.model} on ${setting.peers} boards of ${formatCores(setting.cpu)} (together ${share.toFixed(2)} cores), ${setting.link} Mbit/s`;
  return `${renderRows(terminal, heading, rows)}\n${renderBoards(terminal, result)}`;
}

const renderBoards = (terminal: Terminal, { boards }: ClusterResult): string =>
  table(
    terminal,
    [
      { title: 'BOARD' },
      ...['TILES', 'COMPUTE', 'HALOS', 'SENT', 'RECEIVED', 'CPU KERNEL', 'CPU REST', 'IDLE', 'MEMORY'].map((title) => ({
        title,
        align: 'right' as const,
      })),
    ],
    boards.map((board) => [
      board.name,
      String(board.tiles),
      formatMs(board.computeMs),
      formatBytes(board.haloBytes),
      formatBytes(board.sentBytes),
      formatBytes(board.receivedBytes),
      formatMs(board.kernelCpuMs),
      formatMs(board.otherCpuMs),
      formatShare(board.idleCores),
      formatBytes(board.peakMemoryBytes),
    ]),
  );
