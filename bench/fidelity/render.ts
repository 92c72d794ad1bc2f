/** The result of `fidelity` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import { formatCores, formatMs, formatShare, formatTimes } from '../report.ts';
import type { FidelityResult } from './result.ts';

export function renderFidelity(terminal: Terminal, { setting, sizes, wholeMs, largestError }: FidelityResult): string {
  const heading = `${setting.model} on boards of ${formatCores(setting.cpu)}, ${setting.link} Mbit/s`;
  const rows = sizes.map(({ peers, measuredMs, simulatedMs, predictedMs, error, load }) => [
    String(peers),
    formatMs(measuredMs.median),
    formatMs(measuredMs.p95),
    formatTimes(wholeMs / measuredMs.median),
    formatMs(simulatedMs),
    `${error > 0 ? '+' : ''}${formatShare(error)}`,
    formatMs(predictedMs),
    formatShare(load.idle),
  ]);
  const titles = [
    'BOARDS',
    'MEASURED',
    'P95',
    'AS FAST',
    'SIMULATED',
    'ERROR',
    'PREDICTED BY THE PLAN',
    'MACHINE IDLE',
  ];
  const sizesTable = table(
    terminal,
    titles.map((title) => ({ title, align: 'right' as const })),
    rows,
  );
  return `${terminal.style('bold', heading)}\n${sizesTable}whole model, no mesh: ${formatMs(wholeMs)}; largest error ${formatShare(largestError)}\n`;
}
