/** A plan for people: a table of its blocks, and what comes to together. */
import type { BlockExplanation, PlanExplanation } from '../core/plan/explain.ts';
import type { Plan } from '../core/plan/plan.ts';
import type { Terminal } from './terminal.ts';
import { clean, formatBytes, formatMs, formatPercent, table, type Column, plural } from './text.ts';

const right = (title: string): Column => ({ title, align: 'right' });
const COLUMNS: readonly Column[] = [
  right(''),
  { title: 'LAYERS' },
  { title: 'CUT' },
  right('GMAC'),
  right('TWICE'),
  right('WEIGHTS'),
  right('MOVED'),
  right('MESSAGES'),
  right('EXCHANGE'),
  right('COMPUTE'),
  { title: 'INSTEAD OF' },
];
const MAX_LAYERS = 34;
const MAX_LAYER = 20;

/** `5.5 times as fast as one board (2002 ms)`. */
export const describeGain = (ms: number, singleMs: number): string =>
  singleMs === 0
    ? 'no board can hold it alone'
    : `${(singleMs / ms).toFixed(1)} times as fast as one board (${formatMs(singleMs)})`;

export const describePrediction = ({ predictedMs, singleMs }: Pick<Plan, 'predictedMs' | 'singleMs'>): string =>
  `predicted ${formatMs(predictedMs)}, ${describeGain(predictedMs, singleMs)}`;

/** `conv1_1 … pool1 (6)`. */
function layersOf(nodes: readonly string[]): string {
  const names = nodes.length === 1 ? nodes[0]! : `${nodes[0]!} … ${nodes.at(-1)!} (${nodes.length})`;
  return clean(names, MAX_LAYERS);
}

function insteadOf({ runnerUp, nodes }: BlockExplanation): string {
  if (runnerUp === null) return '-';
  const from = runnerUp.from === nodes[0] ? '' : ` from ${clean(runnerUp.from, MAX_LAYER)}`;
  return `${runnerUp.cut}${from}: +${formatMs(runnerUp.lossMs)}`;
}

export function renderPlan(terminal: Terminal, model: string, boards: string, explanation: PlanExplanation): string {
  const { blocks, gather, bytes, messages, weightBytes, considered, participants } = explanation;
  const rows = blocks.map((block, index) => [
    String(index + 1),
    layersOf(block.nodes),
    block.cut,
    String(Number((block.macs / 1e9).toPrecision(3))),
    formatPercent(block.redundancy),
    formatBytes(block.weightBytes),
    formatBytes(block.exchange.bytes),
    String(block.exchange.messages),
    formatMs(block.exchange.ms),
    formatMs(block.computeMs),
    insteadOf(block),
  ]);
  const [least, most] = [Math.min(...weightBytes), Math.max(...weightBytes)];
  const others = considered.map(({ peers, predictedMs }) => `${plural(peers, 'board')} ${formatMs(predictedMs)}`);
  const lines = [
    `${clean(model)} on ${boards}: ${plural(blocks.length, 'block')} over ${participants.length} of them`,
    '',
    table(terminal, COLUMNS, rows),
    `the result moves ${formatBytes(gather.bytes)} in ${plural(gather.messages, 'message')}, ${formatMs(gather.ms)}`,
    `${describePrediction(explanation)}; considered: ${others.join(', ')}`,
    `moved ${formatBytes(bytes)} in ${plural(messages, 'message')}; weights for each board: ${formatBytes(least)} to ${formatBytes(most)}`,
    '',
  ];
  return lines.join('\n');
}
