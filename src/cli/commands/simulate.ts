/** `tilemesh simulate`: how a mesh of boards would do, in virtual time. */
import { writeFile } from 'node:fs/promises';
import { MEMBERSHIP_DEFAULTS } from '../../core/membership/member.ts';
import { MeshError } from '../../core/errors.ts';
import { asPeerId } from '../../core/ids.ts';
import { explainPlan } from '../../core/plan/explain.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { BoardModel } from '../../sim/board.ts';
import { parseLink } from '../../sim/links.ts';
import {
  boardName,
  simulate,
  type Kill,
  type Scenario,
  type SimulationResult,
  type Workload,
} from '../../sim/simulate.ts';
import { summarise, type SimulationSummary } from '../../sim/summary.ts';
import { drawPicture } from '../../sim/svg/picture.ts';
import { UsageError } from '../exit.ts';
import { describeBoards, openPaperModel, paperBoards, type BoardOptions, type PaperModel } from '../model-on-paper.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatBytes, formatMs, formatPercent, table, type Column } from '../text.ts';
import { parallelismOf } from './plan.ts';

export interface SimulateOptions extends BoardOptions {
  readonly model: string;
  readonly link: string;
  readonly plannedLink: string;
  readonly parallelism: string;
  readonly shape: readonly string[];
  /** Requests per second. */
  readonly load?: number;
  readonly clients?: number;
  readonly seconds: number;
  readonly requests: number;
  /** `3@120`, `coordinator@120`. */
  readonly kill: readonly string[];
  readonly meshSize?: number;
  readonly seed: number;
  /** Milliseconds until a death is noticed. */
  readonly noticedAfter?: number;
  readonly json?: true;
  readonly svg?: string;
}

function parseKill(text: string): Kill {
  const [, name = '', at] = /^(coordinator|\d{1,5})@(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (at === undefined || name === '0') {
    throw new UsageError(`--kill takes a board and milliseconds, as in 3@120 or coordinator@120, not "${text}"`);
  }
  return { board: name === 'coordinator' ? name : Number(name) - 1, atMs: Number(at) };
}

function workloadOf({ load, clients, seconds, requests }: SimulateOptions, meshes: number): Workload {
  if (load !== undefined && clients !== undefined) throw new UsageError('give either --load or --clients');
  if (load !== undefined) return { kind: 'open', requestsPerSecond: load / meshes, seconds };
  if (clients !== undefined) return { kind: 'closed', clients: Math.ceil(clients / meshes), seconds };
  return { kind: 'requests', count: requests };
}

/** Meshes of equal size that the boards are divided into, and the boards of one of them. */
function divide(
  boards: readonly BoardModel[],
  size: number | undefined,
): { meshes: number; own: readonly BoardModel[] } {
  const meshes = Math.ceil(boards.length / Math.min(size ?? Infinity, MEMBERSHIP_DEFAULTS.maxMembers));
  return { meshes, own: boards.filter((_, index) => index % meshes === 0) };
}

export async function simulateCommand(terminal: Terminal, options: SimulateOptions): Promise<void> {
  const cable = parseLink(options.link);
  const kills = options.kill.map(parseKill);
  const model = await openPaperModel(options.model, options.shape);
  const { boards, machine } = await paperBoards(options, terminal.interrupted);
  if (model.note !== undefined) terminal.err(`${clean(model.note)}\n`);
  const { meshes, own } = divide(boards, options.meshSize);
  const scenario: Scenario = {
    bound: model.bound,
    modelId: model.modelId,
    link: parseLink(options.plannedLink),
    parallelism: parallelismOf(options.parallelism),
    boards: own,
    cable,
    workload: workloadOf(options, meshes),
    kills,
    ...(machine !== undefined && { sharedCores: machine.cores }),
    settings: {
      seed: options.seed,
      ...(options.noticedAfter !== undefined && { noticeMs: options.noticedAfter }),
    },
  };
  const result = simulate(scenario);
  const summary = summarise(result, own, scenario.workload);
  if (options.svg !== undefined) await writeFile(options.svg, picture(model, scenario, result, summary));
  if (options.json) {
    const { requests, timeline, prepared, planned } = result;
    const { tiles, messages, marks } = timeline;
    const question = {
      model: model.name,
      board: options.board,
      peers: boards.length,
      meshes,
      link: cable,
      seed: options.seed,
    };
    const machineSpeed = machine === undefined ? {} : { machine };
    const predicted = planned && { predictedMs: planned.plan.predictedMs, singleMs: planned.plan.singleMs };
    writeJson(terminal, 'simulation/1', {
      ...question,
      ...machineSpeed,
      workload: scenario.workload,
      ...predicted,
      ...summary,
      requests,
      plan: prepared?.plan,
      timeline: { tiles, messages, marks },
    });
    return;
  }
  terminal.out(render(terminal, model.name, boards, meshes, result, summary));
}

function picture(model: PaperModel, scenario: Scenario, result: SimulationResult, summary: SimulationSummary): string {
  const { planned, prepared, requests, timeline } = result;
  const first = requests.find(({ outcome }) => outcome === 'answered');
  if (prepared === undefined || first === undefined) {
    throw new MeshError('UNAVAILABLE', 'no request was answered: there is nothing to draw');
  }
  const { bound, boards, link } = scenario;
  const { plan } = prepared;
  const peers = boards.map(({ profile }, index) => ({ peer: asPeerId(boardName(index)), ...profile }));
  const choice = { plan, runnersUp: [], considered: [] };
  const ms = summary.latency!.medianMs;
  return drawPicture({
    title: `${model.name} on ${describeBoards(boards)}`,
    subtitle: `simulated: answered in ${formatMs(ms)} (median); predicted ${formatMs(planned!.plan.predictedMs)}, one board ${formatMs(planned!.plan.singleMs)}`,
    bound,
    plan,
    explanation: explainPlan(bound, choice, peers, first.coordinator!, link),
    timeline,
    names: boards.map((_, index) => boardName(index)),
    fromMs: first.arrivedMs,
    toMs: first.endedMs,
  });
}

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

function render(
  terminal: Terminal,
  model: string,
  boards: readonly BoardModel[],
  meshes: number,
  { planned }: SimulationResult,
  summary: SimulationSummary,
): string {
  const { answered, failed, refused, recovered, traffic, answersPerSecond, elapsedMs } = summary;
  const moved = [traffic.piece, traffic.input, traffic.output];
  const bytes = moved.reduce((sum, own) => sum + own.bytes, 0);
  const messages = moved.reduce((sum, own) => sum + own.messages, 0);
  const rows = summary.boards
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
  const hidden = summary.boards.length - rows.length;
  const lines = [
    `${clean(model)} on ${describeBoards(boards)}${meshes === 1 ? '' : `, ${meshes} meshes of ${summary.boards.length}: what follows is one of them`}`,
    ...(planned === undefined ? [] : [describePlan(planned.plan)]),
    describeLatency(summary, planned?.plan.singleMs),
    `${answered} answered (${recovered} of them after a loss), ${failed} failed, ${refused} refused; ${answersPerSecond.toFixed(2)} answers a second` +
      (meshes === 1 ? '' : `, ${(answersPerSecond * meshes).toFixed(2)} of all meshes`),
    `moved ${formatBytes(bytes)} in ${messages} messages, ${formatBytes(traffic.control.bytes)} of control in ${traffic.control.messages}` +
      (traffic.weights.bytes === 0 ? '' : `, ${formatBytes(traffic.weights.bytes)} of weights`),
    '',
    `${formatMs(elapsedMs)} of each board:`,
    table(terminal, COLUMNS, rows) + (hidden > 0 ? `and ${hidden} more\n` : ''),
  ];
  return lines.join('\n');
}

const describePlan = ({ blocks, participants, predictedMs, singleMs }: Plan): string =>
  `plan: ${blocks.length} ${blocks.length === 1 ? 'block' : 'blocks'} over ${participants.length} ` +
  `${participants.length === 1 ? 'board' : 'boards'}, predicted ${formatMs(predictedMs)}; on one board ${formatMs(singleMs)}`;

function describeLatency({ latency, answered }: SimulationSummary, singleMs: number | undefined): string {
  if (latency === null) return 'no request was answered';
  const { medianMs, p95Ms, leastMs, mostMs } = latency;
  const spread =
    answered === 1 ? '' : ` (median), 95 % within ${formatMs(p95Ms)}, ${formatMs(leastMs)} to ${formatMs(mostMs)}`;
  const gain = singleMs === undefined ? '' : `; ${(singleMs / medianMs).toFixed(1)} times as fast as one board`;
  return `answered in ${formatMs(medianMs)}${spread}${gain}`;
}
