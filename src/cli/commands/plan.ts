/** `tilemesh plan`: how a model would be cut over given boards, and why so. */
import { writeFile } from 'node:fs/promises';
import { MeshError } from '../../core/errors.ts';
import { asPeerId } from '../../core/ids.ts';
import { explainPlan, type BlockExplanation, type PlanExplanation } from '../../core/plan/explain.ts';
import { choosePlan } from '../../core/plan/planner.ts';
import { parseLink } from '../../sim/links.ts';
import { boardName, simulate } from '../../sim/simulate.ts';
import { drawPicture } from '../../sim/svg/picture.ts';
import { describeBoards, openPaperModel, paperBoards, type BoardOptions } from '../model-on-paper.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatBytes, formatMs, formatPercent, table, type Column } from '../text.ts';

export interface PlanOptions extends BoardOptions {
  readonly link: string;
  /** `auto` or a number. */
  readonly parallelism: string;
  readonly shape: readonly string[];
  readonly json?: true;
  /** File to draw to. */
  readonly svg?: string;
}

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

export const parallelismOf = (text: string): number => (text === 'auto' ? 0 : Number(text));

export async function planCommand(terminal: Terminal, model: string, options: PlanOptions): Promise<void> {
  const link = parseLink(options.link);
  const { name, bound, modelId, note } = await openPaperModel(model, options.shape);
  const { boards } = await paperBoards(options, terminal.interrupted);
  if (note !== undefined) terminal.err(`${clean(note)}\n`);
  const peers = boards.map(({ profile }, index) => ({ peer: asPeerId(boardName(index)), ...profile }));
  const coordinator = peers[0]!.peer;
  const parallelism = parallelismOf(options.parallelism);
  const choice = choosePlan({ bound, modelId, peers, coordinator, link, parallelism });
  const explanation = explainPlan(bound, choice, peers, coordinator, link);
  const { singleMs, predictedMs } = explanation;
  if (options.svg !== undefined) {
    const scenario = { bound, modelId, link, parallelism, boards, cable: link, hasHeartbeats: false } as const;
    const { timeline, requests, prepared } = simulate({ ...scenario, workload: { kind: 'requests', count: 1 } });
    if (prepared === undefined)
      throw new MeshError('UNAVAILABLE', 'these boards cannot run the model: allow them more memory');
    const title = `${name} on ${describeBoards(boards)}`;
    const subtitle = `predicted ${formatMs(predictedMs)}, ${(singleMs / predictedMs).toFixed(1)} times as fast as one board (${formatMs(singleMs)}); ${formatBytes(explanation.bytes)} in ${explanation.messages} messages`;
    const drawn = explainPlan(bound, { ...choice, plan: prepared.plan }, peers, requests[0]!.coordinator!, link);
    const svg = drawPicture({
      title,
      subtitle,
      bound,
      plan: prepared.plan,
      explanation: drawn,
      timeline,
      names: boards.map((_, index) => boardName(index)),
      fromMs: requests[0]!.arrivedMs,
      toMs: requests[0]!.endedMs,
    });
    await writeFile(options.svg, svg);
  }
  if (options.json) {
    const { board, peers: _peers, ...rest } = { board: options.board, peers };
    writeJson(terminal, 'plan-report/1', { model: name, ...rest, board, peers: boards.length, link, ...explanation });
    return;
  }
  terminal.out(renderPlan(terminal, name, describeBoards(boards), explanation));
}

/** `conv1_1 … pool1 (6)`. */
export function layersOf(nodes: readonly string[]): string {
  const names = nodes.length === 1 ? nodes[0]! : `${nodes[0]!} … ${nodes.at(-1)!} (${nodes.length})`;
  return clean(names, MAX_LAYERS);
}

function insteadOf({ runnerUp, nodes }: BlockExplanation): string {
  if (runnerUp === null) return '-';
  const from = runnerUp.from === nodes[0] ? '' : ` from ${clean(runnerUp.from, 20)}`;
  const loss = `${runnerUp.lossMs < 0 ? '-' : '+'}${formatMs(Math.abs(runnerUp.lossMs))}`;
  return `${runnerUp.cut}${from}: ${loss}`;
}

function renderPlan(terminal: Terminal, model: string, boards: string, explanation: PlanExplanation): string {
  const { blocks, gather, predictedMs, singleMs, bytes, messages, weightBytes, considered, participants } = explanation;
  const rows = blocks.map((block, index) => [
    String(index + 1),
    layersOf(block.nodes),
    block.cut,
    (block.macs / 1e9).toFixed(2),
    formatPercent(block.redundancy),
    formatBytes(block.weightBytes),
    formatBytes(block.exchange.bytes),
    String(block.exchange.messages),
    formatMs(block.exchange.ms),
    formatMs(block.computeMs),
    insteadOf(block),
  ]);
  const others = considered.map(
    (one) => `${one.peers} ${one.peers === 1 ? 'board' : 'boards'} ${formatMs(one.predictedMs)}`,
  );
  const lines = [
    `${clean(model)} on ${boards}: ${blocks.length} ${blocks.length === 1 ? 'block' : 'blocks'} over ${participants.length} of them`,
    '',
    table(terminal, COLUMNS, rows),
    `the result: ${formatBytes(gather.bytes)} in ${gather.messages} messages, ${formatMs(gather.ms)}`,
    `predicted ${formatMs(predictedMs)}, ${(singleMs / predictedMs).toFixed(1)} times as fast as on one board (${formatMs(singleMs)})`,
    `moved ${formatBytes(bytes)} in ${messages} messages; weights for a board: ${formatBytes(Math.min(...weightBytes))} to ${formatBytes(Math.max(...weightBytes))}`,
    `considered: ${others.join(', ')}`,
    '',
  ];
  return lines.join('\n');
}
