/** Boards in network namespaces of their own, each running the program as it is installed, and others on the same network. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Network, removeNetwork } from '../../bench/emulation/network.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/tilemesh.js', import.meta.url));
const READY_MS = 90_000;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Up {
  readonly process: ChildProcess;
  readonly ready: { readonly id: string; readonly mesh: string; readonly invitation?: { readonly token: string } };
}

export class Boards {
  readonly network: Network;
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #started: ChildProcess[] = [];

  private constructor(network: Network, folder: string, env: NodeJS.ProcessEnv) {
    this.network = network;
    this.#folder = folder;
    this.#env = env;
  }

  /** @param env of every process, beside this one's without secrets. */
  static async create(boards: number, env: NodeJS.ProcessEnv = {}): Promise<Boards> {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-boards-'));
    return new Boards(await Network.create({ boards, linkMbit: 1000 }), folder, env);
  }

  folderOf(board: number): string {
    return join(this.#folder, `home-${board}`);
  }

  /** Node on a board, with these words. */
  run(board: number, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const [program, ...words] = [...this.network.prefix(board), process.execPath, ...args];
    const { TILEMESH_MESH_SECRET: _secret, TILEMESH_API_TOKEN: _token, ...own } = process.env;
    const child = spawn(program!, words, {
      cwd: this.#folder,
      env: {
        ...own,
        HOME: this.folderOf(board),
        TILEMESH_NAME: `board-${board}`,
        TILEMESH_KERNEL: 'reference',
        TILEMESH_KERNEL_MACS_PER_SECOND: '1000000000',
        TILEMESH_LOG_LEVEL: 'error',
        ...this.#env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#started.push(child);
    return child;
  }

  tilemesh(board: number, ...args: readonly string[]): ChildProcess {
    return this.run(board, [LAUNCHER, ...args]);
  }

  async up(board: number, ...args: readonly string[]): Promise<Up> {
    const child = this.tilemesh(board, 'up', '--json', ...args);
    child.stderr!.pipe(process.stderr);
    return { process: child, ready: JSON.parse(await firstLine(child)) as Up['ready'] };
  }

  /** Ends all processes and takes the network away. */
  async clear(): Promise<void> {
    await Promise.all(this.#started.map((child) => stopped(child)));
    await removeNetwork('own');
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export async function firstLine(child: ChildProcess): Promise<string> {
  const signal = AbortSignal.timeout(READY_MS);
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line', { signal })) as [string];
  return line;
}

export async function ended(child: ChildProcess): Promise<Ended> {
  let [out, err] = ['', ''];
  child.stdout!.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr!.on('data', (text: Buffer) => (err += text.toString()));
  const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(READY_MS) })) as [number | null];
  return { code, out, err };
}

export async function stopped(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}
