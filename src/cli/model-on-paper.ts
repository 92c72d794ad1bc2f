/** A model of which only the architecture counts, and the boards it is to run on: what planning and simulating start from. */
import { availableParallelism } from 'node:os';
import { createHash } from 'node:crypto';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { measureSpeed } from '../../kernels/profile.ts';
import { readPackage } from '../../models/package.ts';
import { isZooName, ZOO } from '../../models/zoo/index.ts';
import { bindGraph, type BoundGraph } from '../core/graph/bind.ts';
import type { Overheads } from '../core/cost/cost-model.ts';
import type { ModelId } from '../core/ids.ts';
import type { BoardModel } from '../sim/board.ts';
import { parseBoards, type Machine } from '../sim/boards.ts';
import { UsageError } from './exit.ts';
import { inputShapes } from './verify-inputs.ts';

export interface PaperModel {
  readonly name: string;
  readonly bound: BoundGraph;
  /** Stands for the model in plans. */
  readonly modelId: ModelId;
  /** What was assumed. */
  readonly note?: string;
}

/** @param model a name of the zoo or an ONNX file. @throws MeshError INVALID_MODEL, NOT_FOUND; UsageError. */
export async function openPaperModel(model: string, shape: readonly string[]): Promise<PaperModel> {
  if (!isZooName(model) && !/[./\\]/.test(model)) {
    throw new UsageError(`there is no model "${model}": give an ONNX file, or one of ${Object.keys(ZOO).join(', ')}`);
  }
  const { graph } = isZooName(model) ? await ZOO[model].open() : await readPackage(model);
  const { shapes, note } = inputShapes(graph, shape);
  const specs = graph.inputs.map(({ name, type }) => [name, { type, shape: shapes.get(name)! }] as const);
  const modelId = createHash('sha256').update(model).digest('hex') as ModelId;
  const bound = bindGraph(graph, new Map(specs));
  return { name: model, bound, modelId, ...(note !== undefined && { note }) };
}

/** What `plan` and `simulate` are told alike. */
export interface PaperOptions {
  readonly link: string;
  /** `auto` or a number. */
  readonly parallelism: string;
  readonly shape: readonly string[];
  readonly json?: true;
  /** File to draw to. */
  readonly svg?: string;
  readonly peers?: number;
  readonly board: string;
  /** Megabytes that each peer may hold. */
  readonly memory?: number;
  /** Of a core of the emulating machine, GMAC/s; measured here where absent. */
  readonly coreSpeed?: number;
  /** Cores that emulated boards share. */
  readonly cores?: number;
  /** Milliseconds. */
  readonly tick?: number;
  /** `message=0.1` each, in milliseconds. */
  readonly overhead?: readonly string[];
}

const DEFAULT_PEERS = 24;
const MEASURING_MS = 60_000;

const OVERHEADS: Readonly<Record<string, keyof Overheads>> = {
  tile: 'tileMs',
  message: 'messageMs',
  byte: 'byteMs',
};

function parseOverheads(texts: readonly string[]): Partial<Overheads> {
  const entries = texts.map((text) => {
    const [name = '', value = ''] = text.split('=');
    const key = OVERHEADS[name];
    if (key === undefined || value.trim() === '' || !(Number(value) >= 0)) {
      throw new UsageError(`--overhead takes tile, message or byte, as in message=0.1, not "${text}"`);
    }
    return [key, Number(value)] as const;
  });
  return Object.fromEntries(entries);
}

async function coreSpeed(signal: AbortSignal): Promise<number> {
  const kernel = createOnnxRuntimeKernel();
  try {
    return await measureSpeed(kernel, AbortSignal.any([signal, AbortSignal.timeout(MEASURING_MS)]));
  } finally {
    await kernel.close();
  }
}

export interface PaperBoards {
  readonly boards: readonly BoardModel[];
  /** That boards are emulated on; absent where none is. */
  readonly machine?: Machine;
}

/** @throws MeshError INVALID_ARGUMENT; UsageError. */
export async function paperBoards(options: PaperOptions, signal: AbortSignal): Promise<PaperBoards> {
  const { board, memory, cores, tick, overhead = [] } = options;
  const overheads = parseOverheads(overhead);
  const isEmulated = board.includes('emulated');
  const peers = options.peers ?? (/:\d+(,|$)/.test(board) ? undefined : DEFAULT_PEERS);
  const macsPerSecond =
    options.coreSpeed === undefined ? (isEmulated ? await coreSpeed(signal) : NaN) : options.coreSpeed * 1e9;
  const machine: Machine = {
    macsPerSecond,
    cores: cores ?? availableParallelism(),
    overheads,
    ...(tick !== undefined && { tickMs: tick }),
  };
  const models = parseBoards(board, peers, () => machine);
  const boards =
    memory === undefined
      ? models
      : models.map((model) => ({ ...model, profile: { ...model.profile, memoryBudgetBytes: memory * 1e6 } }));
  return isEmulated ? { boards, machine } : { boards };
}

/** 0: as many as pay. */
export const parallelismOf = (text: string): number => (text === 'auto' ? 0 : Number(text));

/** `24 rockpro64`, `20 rockpro64 and 4 raspberrypi4`. */
export function describeBoards(boards: readonly BoardModel[]): string {
  const counts = new Map<string, number>();
  for (const { name } of boards) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count} ${name}`).join(' and ');
}
