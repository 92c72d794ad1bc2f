/** The result of `throughput` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import { formatCores, formatMs, formatShare, formatTimes, renderAnswers, renderRows } from '../report.ts';
import type { Offer, ThroughputResult } from './measure.ts';

export function renderThroughput(terminal: Terminal, result: ThroughputResult): string {
  const { setting, one, mesh } = result;
  const numbers = ['CLIENTS', 'PER SECOND', 'MEDIAN', 'P95', 'BUSY', 'FAILED', 'IDLE'];
  const row = (boards: number, { clients, perSecond, latencyMs, busy, failures, load }: Offer): readonly string[] => [
    String(boards),
    String(clients),
    perSecond.toFixed(3),
    latencyMs === null ? '-' : formatMs(latencyMs.median),
    latencyMs === null ? '-' : formatMs(latencyMs.p95),
    formatShare(busy),
    Object.entries(failures)
      .map(([code, count]) => `${count} ${code}`)
      .join(' ') || '-',
    formatShare(load.idle),
  ];
  const lines = table(
    terminal,
    ['BOARDS', ...numbers].map((title) => ({ title, align: 'right' as const })),
    [...one.map((offer) => row(1, offer)), ...mesh.map((offer) => row(setting.peers, offer))],
  );
  const heading = `${setting.model} on boards of ${formatCores(setting.cpu)}, ${setting.link} Mbit/s, ${setting.seconds} s for each row`;
  const rows = renderRows(terminal, heading, [
    ['gain', `${formatTimes(result.gain)} over one board, efficiency ${formatShare(result.efficiency)}`],
    renderAnswers(result.answers),
  ]);
  return `${lines}\n${rows}`;
}
