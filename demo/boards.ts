/** The boards of the demonstration: peers as processes of their own, each in a data folder of its own, without addresses. */
import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { getJson } from '../src/cli/client.ts';

export interface Board {
  readonly name: string;
  readonly id: string;
  readonly url: URL;
  readonly dataFolder: string;
  readonly process: ChildProcess;
}

export interface HeldModel {
  readonly id: string;
  readonly bytesHeld: number;
  readonly bytesTotal: number;
  /** Bytes that the board is to keep and has not got yet. */
  readonly bytesMissing: number;
}

interface ReadyLine {
  readonly api: string;
  readonly id: string;
}

const LAUNCHER = fileURLToPath(new URL('../bin/tilemesh.js', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const MESH_TIMEOUT_MS = 60_000;
const POLL_MS = 25;
const SPREAD_TIMEOUT_MS = 120_000;
const SPREAD_POLL_MS = 250;
const EXIT_TIMEOUT_MS = 10_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Boards {
  readonly #folder: string;
  readonly #mesh: string;
  readonly #secret = randomBytes(32).toString('hex');
  readonly #started: ChildProcess[] = [];
  boards: Board[] = [];

  private constructor(folder: string, mesh: string) {
    this.#folder = folder;
    this.#mesh = mesh;
  }

  /** Starts boards that know nothing but the name and the secret of their mesh. */
  static async start(count: number): Promise<Boards> {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-demo-'));
    const group = new Boards(folder, `demo-${process.pid}`);
    try {
      const names = Array.from({ length: count }, (_, index) => `board-${index + 1}`);
      group.boards = await Promise.all(names.map((name) => group.#startBoard(name)));
    } catch (error) {
      await group.stop();
      throw error;
    }
    return group;
  }

  async #startBoard(name: string): Promise<Board> {
    const dataFolder = join(this.#folder, name);
    const options = ['--name', name, '--data', dataFolder, '--mesh', this.#mesh, '--api', '127.0.0.1:0', '--json'];
    const child = spawn(process.execPath, [LAUNCHER, 'up', ...options], {
      // A board has its own cores; these share one machine, so each computes with one thread.
      env: {
        ...process.env,
        // As if each had been invited.
        TILEMESH_MESH_SECRET: this.#secret,
        TILEMESH_KERNEL_THREADS: '1',
        TILEMESH_LOG_LEVEL: process.env.TILEMESH_LOG_LEVEL ?? 'error',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#started.push(child);
    const ready = await readyLine(child, name);
    return { name, id: ready.id, url: new URL(ready.api), dataFolder, process: child };
  }

  /** Resolves when every board sees every other one alive; returns how long that took. */
  async formMesh(): Promise<number> {
    const startedMs = performance.now();
    const signal = AbortSignal.timeout(MESH_TIMEOUT_MS);
    for (const board of this.boards) {
      while ((await aliveMembers(board, signal)) < this.boards.length) await pause(POLL_MS);
    }
    return performance.now() - startedMs;
  }

  /** What a board says of a model. */
  async modelOn(board: Board, modelId: string): Promise<HeldModel | undefined> {
    const answer = await getJson([board.url], '/tilemesh/v1/models', AbortSignal.timeout(SPREAD_TIMEOUT_MS));
    return (answer as { readonly models: readonly HeldModel[] }).models.find(({ id }) => id === modelId);
  }

  /** Resolves when every board has what it is to keep of a model, so that losing one loses no weights. */
  async spreadModel(modelId: string, onProgress: (missingBytes: number) => void = () => undefined): Promise<number> {
    const startedMs = performance.now();
    for (;;) {
      const held = await Promise.all(this.boards.map((board) => this.modelOn(board, modelId)));
      const missing = held.reduce((sum, model) => sum + (model?.bytesMissing ?? Infinity), 0);
      const elapsedMs = performance.now() - startedMs;
      if (missing === 0) return elapsedMs;
      if (elapsedMs > SPREAD_TIMEOUT_MS) throw new Error(`${missing} bytes of weights were not spread in time`);
      onProgress(missing);
      await pause(SPREAD_POLL_MS);
    }
  }

  byId(id: string): Board {
    const board = this.boards.find((candidate) => candidate.id === id);
    if (board === undefined) throw new Error(`${id} is none of the boards`);
    return board;
  }

  /** SIGKILL: the board gets no chance to say goodbye. */
  kill(board: Board): void {
    board.process.kill('SIGKILL');
    this.boards = this.boards.filter((other) => other !== board);
  }

  /** Starts a killed board again: the same name, the same data folder. */
  async revive(board: Board): Promise<Board> {
    await stopProcess(board.process);
    const revived = await this.#startBoard(board.name);
    this.boards.push(revived);
    return revived;
  }

  /** Stops every process that was started and deletes their folders. Returns the processes that had to be killed. */
  async stop(): Promise<number> {
    const killed = await Promise.all(this.#started.map(stopProcess));
    await rm(this.#folder, { recursive: true, force: true });
    return killed.filter(Boolean).length;
  }
}

const hasExited = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function stopProcess(child: ChildProcess): Promise<boolean> {
  if (hasExited(child)) return false;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (!child.killed) child.kill('SIGTERM');
  let isForced = false;
  const timer = setTimeout(() => {
    isForced = true;
    child.kill('SIGKILL');
  }, EXIT_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
  return isForced;
}

async function readyLine(child: ChildProcess, name: string): Promise<ReadyLine> {
  const lines = createInterface({ input: child.stdout! });
  const line = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} was not ready in time`)), READY_TIMEOUT_MS);
    lines.once('line', (text) => {
      clearTimeout(timer);
      resolve(text);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`${name} ended with exit code ${String(code)} before it was ready`));
    });
  });
  return JSON.parse(line) as ReadyLine;
}

async function aliveMembers(board: Board, signal: AbortSignal): Promise<number> {
  const { peers } = (await getJson([board.url], '/tilemesh/v1/peers', signal)) as {
    readonly peers: readonly { readonly state: string }[];
  };
  return peers.filter(({ state }) => state === 'alive').length;
}
