/** The result of `recovery` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import { formatCores, formatMs, formatShare, renderAnswers, renderLoad, renderRows } from '../report.ts';
import type { Recovery, RecoveryResult } from './measure.ts';

const TITLES = ['TRIALS', 'LOST', 'MIN', 'MEDIAN', 'P95', 'MAX', 'TERMS', 'PLANS', 'REUSED', 'BACK', 'BACK IN'];

const formatAdded = (ms: number | undefined): string =>
  ms === undefined ? '-' : `${ms < 0 ? '-' : '+'}${formatMs(Math.abs(ms))}`;

function renderReuse({ finishedTiles, reusedTiles }: Recovery): string {
  if (finishedTiles === 0) return '-';
  return `${formatShare(reusedTiles / finishedTiles)} of ${finishedTiles}`;
}

export function renderRecovery(terminal: Terminal, result: RecoveryResult): string {
  const { setting, undisturbedMs, recoveries, stages, missed, answers, load } = result;
  const lines = table(
    terminal,
    [{ title: 'ADDED BY' }, ...TITLES.map((title) => ({ title, align: 'right' as const }))],
    recoveries.map((recovery) => {
      const { kind, role, trials, lost, addedMs, terms, attempts, returned, memberAgainMs } = recovery;
      return [
        `${kind} of the ${role}`,
        ...[trials, lost].map(String),
        ...[addedMs?.min, addedMs?.median, addedMs?.p95, addedMs?.max].map(formatAdded),
        ...[terms, attempts].map((mean) => mean.toFixed(1)),
        renderReuse(recovery),
        `${returned} of ${trials}`,
        memberAgainMs === null ? '-' : formatMs(memberAgainMs.median),
      ];
    }),
  );
  const heading = `${setting.model} on ${setting.peers} boards of ${formatCores(setting.cpu)}, ${setting.link} Mbit/s`;
  const { median, p95, max, count } = undisturbedMs;
  return `${renderRows(terminal, heading, [
    ['undisturbed', `${formatMs(median)} median, ${formatMs(p95)} p95, ${formatMs(max)} at most, of ${count} requests`],
    ['stages', stages.map(({ name, startMs, endMs }) => `${name} ${formatMs(startMs)}-${formatMs(endMs)}`).join(', ')],
    ['not hit as meant', `${missed} requests, asked again`],
    renderAnswers(answers),
    renderLoad(load),
  ])}\n${lines}`;
}
