/** The result of `chaos` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import { formatMs, formatShare, renderLoad, renderRows, type Row } from '../report.ts';
import { FAULT_KINDS } from './faults.ts';
import type { Latency } from './history.ts';
import type { ChaosResult } from './measure.ts';

export function renderChaos(terminal: Terminal, result: ChaosResult): string {
  const { setting, verdict, faults, undisturbed } = result;
  const total = Object.values(faults).reduce((sum, count) => sum + count, 0);
  const rows: readonly Row[] = [
    [
      'answers',
      `${verdict.lost} lost, ${verdict.refused} refused, ${verdict.wrong} wrong, ${verdict.duplicated} twice and not alike`,
    ],
    ['asked at a second board', `${verdict.askedAgain} requests`],
    [
      'load',
      `${result.askedPerSecond.toFixed(1)} requests a second, ${formatShare(setting.load)} of the ` +
        `${result.capacityPerSecond.toFixed(1)} that the mesh can answer`,
    ],
    ['one mesh again', `${formatMs(result.healedMs)} after the last fault`],
    ...verdict.reasons.map((reason) => ['lost', reason] as const),
    ...verdict.slowest.map(
      ({ tookMs, tries, answer, faults: meanwhile }) =>
        [
          'slow',
          `${formatMs(tookMs)}: ${meanwhile.join('; ') || 'no fault'}; asked ${tries.join(', ')}; ${answer}`,
        ] as const,
    ),
    renderLoad(result.load),
  ];
  const heading = `${setting.model} on ${setting.peers} boards, ${total} faults in ${setting.minutes} minutes, ${verdict.requests} requests`;
  const line = (name: string, { count, p50, p99, max }: Latency): readonly string[] => [
    name,
    String(count),
    formatMs(p50),
    formatMs(p99),
    formatMs(max),
    p99 > undisturbed.p99 ? `+${formatMs(p99 - undisturbed.p99)}` : '',
  ];
  const latencies = table(
    terminal,
    [
      { title: 'UNDER WAY DURING' },
      ...['REQUESTS', 'P50', 'P99', 'MAX', 'P99 ABOVE'].map((title) => ({ title, align: 'right' as const })),
    ],
    [
      line('nothing, before the faults', undisturbed),
      ...FAULT_KINDS.flatMap((kind) => {
        const latency = verdict.hit[kind];
        return latency === undefined ? [] : [line(`${kind} (${faults[kind] ?? 0})`, latency)];
      }),
      ...(verdict.others === null ? [] : [line('nothing, between faults', verdict.others)]),
    ],
  );
  return `${renderRows(terminal, heading, rows)}\n${latencies}`;
}
