/**
 * Emulated boards: each a peer in a process of its own, with its network namespace behind a shaped cable and with its share
 * of a core. The shares are not enforced before `limit`, because what is set up once (starting, connecting, checking
 * weights, planning, opening sessions) would take minutes at a twelfth of a core and is not what is measured.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { MeshError } from '../../src/core/errors.ts';
import { sum } from '../measure/statistics.ts';
import { linkModel, type BenchModel } from '../model.ts';
import { aliveMembers, startBoard, type Board } from './board.ts';
import { ControlGroup, removeControlGroups } from './control-group.ts';
import { Network, removeNetwork } from './network.ts';
import { abandoned, runName } from './ownership.ts';
import { assertCanEmulate } from './system.ts';

export interface BoardsOptions {
  readonly count: number;
  /** Share of a core of each; null: as much as it can get where it is placed. */
  readonly cores: number | null;
  readonly linkMbit: number;
  readonly model: BenchModel;
  /** Of a whole core; each board says of itself its share of that. */
  readonly macsPerCoreSecond: number;
  /** The words before a board's command, by its number from 1; in front of all others. */
  readonly placement?: (board: number) => readonly string[];
}

/** As of a board with 2 GB: half of it. */
export const BOARD_MEMORY_BUDGET_BYTES = 2 ** 30;
const MESH_TIMEOUT_MS = 300_000;
const POLL_MS = 100;
const API_PORT = 8470;
/** Boards are settled when together they take less than this of a core, and are given so long. */
const SETTLED_CORES = 0.15;
/** Heartbeats of every board to every other are asked for by nobody, either, and stay. */
const SETTLED_CORES_A_BOARD = 0.03;
const SETTLE_WINDOW_MS = 1_000;
const SETTLE_TIMEOUT_MS = 300_000;

/** Starts a board, by its number from 1. */
type Launch = (number: number) => Promise<Board>;

/** A folder of this run, removed with the run. Those that killed runs have left are removed first. */
export async function createRunFolder(): Promise<string> {
  for (const name of await abandoned(await readdir(tmpdir()))) {
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  return mkdtemp(join(tmpdir(), `${runName(process.pid)}-`));
}

/**
 * Removes what killed runs have left on this machine, and sees to it that this one leaves nothing.
 * @throws MeshError UNAVAILABLE where boards cannot be emulated.
 */
export async function prepareMachine(cleanUp: AsyncDisposableStack): Promise<void> {
  await assertCanEmulate();
  await removeControlGroups('abandoned');
  await removeNetwork('abandoned');
  cleanUp.defer(() => removeControlGroups('own'));
}

export class Boards {
  readonly #groups: readonly ControlGroup[];
  readonly #cores: number | null;
  readonly #launch: Launch;
  readonly #boards: Board[];
  readonly network: Network;

  private constructor(
    boards: readonly Board[],
    groups: readonly ControlGroup[],
    network: Network,
    cores: number | null,
    launch: Launch,
  ) {
    this.#launch = launch;
    this.#boards = [...boards];
    this.#groups = groups;
    this.network = network;
    this.#cores = cores;
  }

  /**
   * Starts all boards, after `prepareMachine`; they know nothing but the name of their mesh.
   * @param folder of this run, for their data.
   * @param cleanUp takes what undoes each step, also when a later one fails.
   */
  static async start(
    options: BoardsOptions,
    folder: string,
    cleanUp: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<Boards> {
    const { count, linkMbit, cores, model } = options;
    cleanUp.defer(() => removeNetwork('own'));
    const network = await Network.create({ boards: count, linkMbit });
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    const groups: ControlGroup[] = [];
    for (const number of numbers) {
      const group = await ControlGroup.create(`board-${number}`);
      cleanUp.defer(() => group.remove());
      groups.push(group);
    }
    const nameOf = (number: number): string => `board-${String(number).padStart(2, '0')}`;
    const launch: Launch = async (number) => {
      const name = nameOf(number);
      const placement = options.placement?.(number) ?? [];
      const board = await startBoard(
        {
          name,
          mesh: `bench-${process.pid}`,
          dataFolder: join(folder, name),
          api: `${network.address(number)}:${API_PORT}`,
          macsPerSecond: options.macsPerCoreSecond * Math.min(1, cores ?? 1),
          memoryBudgetBytes: BOARD_MEMORY_BUDGET_BYTES,
          prefix: [...groups[number - 1]!.prefix, ...placement, ...network.prefix(number)],
        },
        signal,
      );
      cleanUp.defer(() => board.stop());
      return board;
    };
    const starting = numbers.map(async (number) => {
      await linkModel(model, join(folder, nameOf(number)));
      return launch(number);
    });
    const outcomes = await Promise.allSettled(starting);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return new Boards(await Promise.all(starting), groups, network, cores, launch);
  }

  get boards(): readonly Board[] {
    return this.#boards;
  }

  /** Share of a core of each, once `limit` was called; null: as much as it can get. */
  get cores(): number | null {
    return this.#cores;
  }

  /** Starts a board that has ended once more, on the data it had. */
  async restart(number: number): Promise<Board> {
    const board = await this.#launch(number);
    this.#boards[number - 1] = board;
    return board;
  }

  /** @param cores null: no limit. */
  async limitBoard(number: number, cores: number | null): Promise<void> {
    await this.#groups[number - 1]!.limit(cores);
  }

  /** Resolves when every board sees every other one alive; returns how long that took. @throws MeshError DEADLINE_EXCEEDED. */
  async formMesh(signal: AbortSignal): Promise<number> {
    const startedMs = performance.now();
    for (const board of this.boards) {
      while ((await aliveMembers(board, signal)) < this.boards.length) {
        if (performance.now() - startedMs > MESH_TIMEOUT_MS) {
          throw new MeshError('DEADLINE_EXCEEDED', `${board.name} does not see all boards after ${MESH_TIMEOUT_MS} ms`);
        }
        await setTimeout(POLL_MS, undefined, { signal });
      }
    }
    return performance.now() - startedMs;
  }

  /** Enforces the shares from now on. */
  async limit(): Promise<void> {
    for (const group of this.#groups) await group.limit(this.#cores);
  }

  /** Processor time of each board so far. */
  cpuMs(): Promise<readonly number[]> {
    return Promise.all(this.#groups.map((group) => group.cpuMs()));
  }

  /** Resolves when the boards have nothing left to do that nobody asked for. @throws MeshError DEADLINE_EXCEEDED. */
  async settle(signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      const before = sum(await this.cpuMs());
      const startedMs = performance.now();
      await setTimeout(SETTLE_WINDOW_MS, undefined, { signal });
      const cores = (sum(await this.cpuMs()) - before) / (performance.now() - startedMs);
      if (cores < SETTLED_CORES + SETTLED_CORES_A_BOARD * this.boards.length) return;
      if (performance.now() < deadlineMs) continue;
      throw new MeshError('DEADLINE_EXCEEDED', `idle boards still take ${cores.toFixed(2)} cores`);
    }
  }
}
