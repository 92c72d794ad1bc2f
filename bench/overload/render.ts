/** The result of `overload` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import { formatMs, formatShare, renderLoad, renderRows } from '../report.ts';
import type { OverloadResult } from './measure.ts';

export function renderOverload(terminal: Terminal, result: OverloadResult): string {
  const { setting, taken, crowd, goodput, load } = result;
  const titles = ['CLIENTS', 'PER SECOND', 'ANSWERED', 'REFUSED', 'FAILED'];
  const lines = table(
    terminal,
    titles.map((title) => ({ title, align: 'right' as const })),
    [...taken, crowd].map(({ clients, perSecond, answered, refused, failed }) =>
      [clients, perSecond.toFixed(1), answered, refused, failed].map(String),
    ),
  );
  const { refusalMs } = crowd;
  const refusals =
    refusalMs === null
      ? 'none'
      : `median ${formatMs(refusalMs.median)}, 95 % within ${formatMs(refusalMs.p95)}, the last ${formatMs(refusalMs.max)}`;
  return `${lines}\n${renderRows(terminal, `lenet5 at one peer, ${setting.seconds} s for each row`, [
    ['goodput under overload', `${formatShare(goodput)} of the best`],
    ['refusals', refusals],
    renderLoad(load),
  ])}`;
}
