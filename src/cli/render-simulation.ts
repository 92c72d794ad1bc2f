/** A simulation for people: latency, throughput, traffic, and what each board did. */
import type { Plan } from '../core/plan/plan.ts';
import type { SimulationSummary } from '../sim/summary.ts';
import { describeGain, describePrediction } from './render-plan.ts';
import type { Terminal } from './terminal.ts';
import { clean, formatBytes, formatMs, formatPercent, table, type Column, plural } from './text.ts';

const right = (title: string): Column => ({ title, align: 'right' });
const COLUMNS: readonly Column[] = [
  { title: 'BOARD' },
  { title: 'KIND' },
  right('KERNEL'),
  right('SCRIPT'),
  right('WAITING'),
  right('IN USE'),
  right('CABLE IN'),
  right('CABLE OUT'),
];
/** More boards than this are not listed. */
const MAX_ROWS = 32;

export interface SimulationView {
  readonly model: string;
  readonly boards: string;
  /** The summary is of one of them. */
  readonly meshes: number;
  /** Made first; absent where nothing came to be planned. */
  readonly plan: Plan | undefined;
  readonly summary: SimulationSummary;
}

function describeLatency({ latency, answered }: SimulationSummary, plan: Plan | undefined): string {
  if (latency === null) return 'no request was answered';
  const { medianMs, p95Ms, leastMs, mostMs } = latency;
  const spread = ` (median), 95 % within ${formatMs(p95Ms)}, ${formatMs(leastMs)} to ${formatMs(mostMs)}`;
  const gain = plan === undefined ? '' : `; ${describeGain(medianMs, plan.singleMs)}`;
  return `answered in ${formatMs(medianMs)}${answered === 1 ? '' : spread}${gain}`;
}

function describeTraffic({ traffic }: SimulationSummary): string {
  const { piece, input, output, control, weights } = traffic;
  const moved = [piece, input, output];
  const bytes = moved.reduce((sum, own) => sum + own.bytes, 0);
  const messages = moved.reduce((sum, own) => sum + own.messages, 0);
  const fetched = weights.bytes === 0 ? '' : `; ${formatBytes(weights.bytes)} of weights fetched`;
  return `moved ${formatBytes(bytes)} in ${plural(messages, 'message')}, and ${formatBytes(control.bytes)} of control in ${control.messages}${fetched}`;
}

function describeOutcomes(
  { answered, recovered, failed, refused, answersPerSecond }: SimulationSummary,
  meshes: number,
) {
  const all = meshes === 1 ? '' : `, ${(answersPerSecond * meshes).toFixed(1)} of all meshes`;
  const counts = `${answered} answered (${recovered} of them after a loss), ${failed} failed, ${refused} refused`;
  return `${counts}; ${answersPerSecond.toFixed(2)} answers a second${all}`;
}

function boardTable(terminal: Terminal, { boards }: SimulationSummary): string {
  const rows = boards
    .slice(0, MAX_ROWS)
    .map((board) => [
      board.isDead ? `${board.name} (gone)` : board.name,
      board.board,
      formatMs(board.kernelMs),
      formatMs(board.scriptMs),
      formatMs(board.waitingMs),
      formatPercent(board.utilisation),
      formatMs(board.linkInMs),
      formatMs(board.linkOutMs),
    ]);
  const hidden = boards.length - rows.length;
  return table(terminal, COLUMNS, rows) + (hidden > 0 ? `and ${hidden} more\n` : '');
}

export function renderSimulation(terminal: Terminal, { model, boards, meshes, plan, summary }: SimulationView): string {
  const each = summary.boards.length;
  const lines = [
    `${clean(model)} on ${boards}${meshes === 1 ? '' : `, ${meshes} meshes of ${each}: what follows is one of them`}`,
    ...(plan === undefined
      ? []
      : [
          `plan: ${plural(plan.blocks.length, 'block')} over ${plural(plan.participants.length, 'board')}, ${describePrediction(plan)}`,
        ]),
    describeLatency(summary, plan),
    describeOutcomes(summary, meshes),
    describeTraffic(summary),
    '',
    `${formatMs(summary.elapsedMs)} of each board:`,
    boardTable(terminal, summary),
  ];
  return lines.join('\n');
}
