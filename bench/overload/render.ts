/** The result of `overload` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import type { Summary } from '../measure/statistics.ts';
import { formatBytes, formatMs, formatShare, renderLoad, renderRows } from '../report.ts';
import type { OverloadResult } from './measure.ts';

const TITLES = [
  'CLIENTS',
  'PER SECOND',
  'ANSWERED',
  'REFUSED',
  'FAILED',
  'WRONG',
  'EVENT LOOP',
  'THREADS',
  'CLIENT CPU',
];

const renderTimes = (times: Summary | null): string =>
  times === null
    ? 'none'
    : `${times.count}: median ${formatMs(times.median)}, 95 % within ${formatMs(times.p95)}, the last ${formatMs(times.max)}`;

export function renderOverload(terminal: Terminal, result: OverloadResult): string {
  const { setting, taken, crowd, afterwards, goodput, memory, load } = result;
  const lines = table(
    terminal,
    TITLES.map((title) => ({ title, align: 'right' as const })),
    [...taken, crowd, afterwards].map(({ clients, perSecond, answered, refused, failed, wrong, cores }) => [
      ...[clients, perSecond.toFixed(1), answered, refused, failed, wrong].map(String),
      ...[cores.eventLoop, cores.otherThreads, cores.clients].map(formatShare),
    ]),
  );
  return `${lines}\n${renderRows(terminal, `lenet5 at one peer, ${setting.seconds} s for each row`, [
    ['goodput under overload', `${formatShare(goodput)} of the best`],
    ['refusals, all at once', renderTimes(crowd.firstRefusalMs)],
    ['later refusals', renderTimes(crowd.refusalMs)],
    ['memory', `${formatBytes(memory.beforeBytes)} before the crowd, ${formatBytes(memory.peakBytes)} at the peak`],
    renderLoad(load),
  ])}`;
}
