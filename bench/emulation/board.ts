/** One peer: an ordinary `tilemesh up` in a process of its own, wherever a prefix puts it. */
import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { open, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MeshError } from '../../src/core/errors.ts';
import { getJson } from '../../src/cli/client.ts';
import { asPeerId, type PeerId } from '../../src/core/ids.ts';

export interface BoardOptions {
  readonly name: string;
  readonly mesh: string;
  readonly dataFolder: string;
  /** `HOST:PORT` of its HTTP API. */
  readonly api: string;
  /** What the peer is to say of its speed, in multiply-accumulates per second. */
  readonly macsPerSecond: number;
  /** For weights and feature maps. */
  readonly memoryBudgetBytes: number;
  /** The words before the command, which put it on a core, into a control group, into a network. */
  readonly prefix: readonly string[];
}

export interface Board {
  readonly name: string;
  readonly id: PeerId;
  readonly url: URL;
  readonly pid: number;
  /** Asks it to leave the mesh, and kills it when it does not. */
  stop(): Promise<void>;
}

/** Of the APIs of all boards, which listen on addresses of their own; requests of this process carry it. */
const benchToken = (): string => (process.env.TILEMESH_API_TOKEN ??= randomBytes(24).toString('hex'));

const LAUNCHER = fileURLToPath(new URL('../../bin/tilemesh.js', import.meta.url));
const READY_TIMEOUT_MS = 180_000;
const EXIT_TIMEOUT_MS = 15_000;
const LOG_FILE = 'stderr.log';
const SHOWN_LOG_CHARACTERS = 400;

/** @throws MeshError UNAVAILABLE with the end of what the peer wrote. */
export async function startBoard(options: BoardOptions, signal: AbortSignal): Promise<Board> {
  const { name, mesh, dataFolder, api, prefix } = options;
  await mkdir(dataFolder, { recursive: true });
  const log = await open(join(dataFolder, LOG_FILE), 'w');
  const up = ['up', '--name', name, '--data', dataFolder, '--mesh', mesh, '--api', api, '--json'];
  const [program, ...args] = [...prefix, process.execPath, LAUNCHER, ...up];
  const child = spawn(program!, args, {
    // Not where a configuration of somebody else may lie.
    cwd: dataFolder,
    env: {
      ...process.env,
      TILEMESH_MESH_SECRET: `the secret of ${mesh}`,
      TILEMESH_API_TOKEN: benchToken(),
      TILEMESH_KERNEL_THREADS: '1',
      TILEMESH_KERNEL_MACS_PER_SECOND: String(Math.round(options.macsPerSecond)),
      TILEMESH_MEMORY_BYTES: String(options.memoryBudgetBytes),
      TILEMESH_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', log.fd],
    // Ctrl-C is for the bench, which then stops its boards.
    detached: true,
  });
  await log.close();
  try {
    const ready = await readyLine(child, signal);
    return { name, id: asPeerId(ready.id), url: new URL(ready.api), pid: child.pid!, stop: () => stopProcess(child) };
  } catch (cause) {
    await stopProcess(child);
    const text = await readFile(join(dataFolder, LOG_FILE), 'utf8').catch(() => '');
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError('UNAVAILABLE', `${name} ${reason}: ${text.slice(-SHOWN_LOG_CHARACTERS)}`, { cause });
  }
}

async function readyLine(
  child: ChildProcess,
  signal: AbortSignal,
): Promise<{ readonly api: string; readonly id: string }> {
  const first = Promise.withResolvers<string>();
  child.once('error', first.reject);
  child.once('exit', (code) => first.reject(new Error(`ended with exit code ${code} before it was ready`)));
  createInterface({ input: child.stdout! }).once('line', first.resolve);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_TIMEOUT_MS)]);
  const giveUp = (): void => first.reject(new Error('was not ready in time'));
  limit.addEventListener('abort', giveUp, { once: true });
  try {
    return JSON.parse(await first.promise) as { readonly api: string; readonly id: string };
  } finally {
    limit.removeEventListener('abort', giveUp);
  }
}

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}

/** How many members a board sees alive, itself included. */
export async function aliveMembers(board: Board, signal: AbortSignal): Promise<number> {
  const { peers } = (await getJson([board.url], '/tilemesh/v1/peers', signal)) as {
    readonly peers: readonly { readonly state: string }[];
  };
  return peers.filter(({ state }) => state === 'alive').length;
}
