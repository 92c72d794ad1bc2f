/** The result of `cluster` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import { formatBytes, formatCores, formatMs, formatShare, formatTimes } from '../report.ts';
import type { ClusterResult } from './measure.ts';

export function renderCluster(terminal: Terminal, result: ClusterResult): string {
  const { setting, baseline, latencyMs, clientLatencyMs, account, plan, bytes, cpuMs, answers, load } = result;
  const share = setting.cpu * setting.peers;
  const outside = cpuMs.eventLoops + cpuMs.engine + cpuMs.other;
  const rows: readonly (readonly [string, string])[] = [
    ['whole model, no mesh', `${formatMs(baseline.meanMs)} on ${formatCores(setting.cpu)}, one thread`],
    ...result.furtherBaselines.map(
      ({ cores, meanMs }) => ['', `${formatMs(meanMs)} on ${formatCores(cores)}`] as const,
    ),
    ['mesh', `${formatMs(latencyMs.median)} median, ${formatMs(latencyMs.p95)} p95 of ${latencyMs.count} requests`],
    ['at the client', `${formatMs(clientLatencyMs.median)} median, ${formatMs(clientLatencyMs.p95)} p95`],
    ['speed-up', `${formatTimes(result.speedUp)}, efficiency ${formatShare(result.efficiency)}`],
    [
      'bound',
      `${formatMs(account.boundMs)} (${formatTimes(baseline.meanMs / account.boundMs)}): even shares ` +
        `${formatMs(account.evenMs)}, busiest cable ${formatMs(account.lineMs)}`,
    ],
    [
      'above even shares',
      `redundant work and thin tiles ${formatMs(account.redundantMs)} (work x${account.workFactor.toFixed(2)}), imbalance ` +
        `${formatMs(account.imbalanceMs)}, between tiles ${formatMs(account.betweenMs)}`,
    ],
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
    [
      'answers',
      `${answers.checked} equal the whole model's, largest difference ${answers.largestDifference.toExponential(1)} of the ` +
        `largest value (allowed ${answers.tolerance.toExponential(1)})`,
    ],
    ...(result.recoveries === 0
      ? []
      : [['recoveries', `${result.recoveries} requests were planned again: a board seemed lost`] as const]),
    ['machine meanwhile', `${formatShare(load.idle)} idle, ${formatShare(load.steal)} stolen`],
  ];
  const width = Math.max(...rows.map(([title]) => title.length));
  const heading = `${setting.model} on ${setting.peers} boards of ${formatCores(setting.cpu)} (together ${share.toFixed(2)} cores), ${setting.link} Mbit/s`;
  return [
    terminal.style('bold', heading),
    ...rows.map(([title, text]) => `${title.padEnd(width)}  ${text}`),
    '',
    renderBoards(terminal, result),
  ].join('\n');
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
