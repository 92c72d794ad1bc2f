/** `tilemesh simulate`: how a mesh of boards would do, in virtual time. */
import { writeFile } from 'node:fs/promises';
import { MEMBERSHIP_DEFAULTS } from '../../core/membership/member.ts';
import type { BoardModel } from '../../sim/board.ts';
import { parseLink } from '../../sim/links.ts';
import { simulate, type Kill, type Scenario, type Workload } from '../../sim/simulate.ts';
import { summarise } from '../../sim/summary.ts';
import { drawSimulation } from '../draw-simulation.ts';
import { UsageError } from '../exit.ts';
import { describeBoards, openPaperModel, paperBoards, parallelismOf, type PaperOptions } from '../model-on-paper.ts';
import { describePrediction } from '../render-plan.ts';
import { renderSimulation } from '../render-simulation.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatMs } from '../text.ts';

export interface SimulateOptions extends PaperOptions {
  readonly model: string;
  readonly plannedLink: string;
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
}

function parseKill(text: string): Kill {
  const [, name = '', at] = /^(coordinator|\d{1,5})@(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (at === undefined || name === '0') {
    throw new UsageError(`--kill takes a board and milliseconds, as in 3@120 or coordinator@120, not "${text}"`);
  }
  return { board: name === 'coordinator' ? name : Number(name) - 1, atMs: Number(at) };
}

/** The share of one mesh. */
function workloadOf({ load, clients, seconds, requests }: SimulateOptions, meshes: number): Workload {
  if (load !== undefined && clients !== undefined) throw new UsageError('give either --load or --clients');
  if (load !== undefined) return { kind: 'open', requestsPerSecond: load / meshes, seconds };
  if (clients !== undefined) return { kind: 'closed', clients: Math.ceil(clients / meshes), seconds };
  return { kind: 'requests', count: requests };
}

interface Division {
  readonly meshes: number;
  /** The boards of one mesh, mixed as all are. */
  readonly own: readonly BoardModel[];
}

function divide(boards: readonly BoardModel[], size: number | undefined): Division {
  const meshes = Math.ceil(boards.length / Math.min(size ?? Infinity, MEMBERSHIP_DEFAULTS.maxMembers));
  return { meshes, own: boards.filter((_, index) => index % meshes === 0) };
}

export async function simulateCommand(terminal: Terminal, options: SimulateOptions): Promise<void> {
  const cable = parseLink(options.link);
  const kills = options.kill.map(parseKill);
  const { name, bound, modelId, note } = await openPaperModel(options.model, options.shape);
  const { boards, machine } = await paperBoards(options, terminal.interrupted);
  if (note !== undefined) terminal.err(`${clean(note)}\n`);
  const { meshes, own } = divide(boards, options.meshSize);
  const scenario: Scenario = {
    bound,
    modelId,
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
  const { requests, timeline, prepared, planned } = result;
  if (options.svg !== undefined) {
    const answered = summary.latency === null ? '' : `simulated: answered in ${formatMs(summary.latency.medianMs)}; `;
    const subtitle = `${answered}${planned === undefined ? '' : describePrediction(planned.plan)}`;
    await writeFile(options.svg, drawSimulation(name, subtitle, scenario, result));
  }
  if (!options.json) {
    const view = { model: name, boards: describeBoards(boards), meshes, plan: planned?.plan, summary };
    terminal.out(renderSimulation(terminal, view));
    return;
  }
  const { board, seed } = options;
  const { tiles, messages, marks } = timeline;
  writeJson(terminal, 'simulation/1', {
    ...{ model: name, board, peers: boards.length, meshes, link: cable, seed, workload: scenario.workload },
    ...(machine !== undefined && { machine }),
    ...(planned !== undefined && { predictedMs: planned.plan.predictedMs, singleMs: planned.plan.singleMs }),
    ...summary,
    requests,
    plan: prepared?.plan,
    timeline: { tiles, messages, marks },
  });
}
