/** An installed peer that a test runs: `up --json`, from its ready line to its exit. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { RunResult } from '../../src/cli/run-request.ts';

const READY_DEADLINE_MS = 120_000;
const EXIT_DEADLINE_MS = 90_000;

export interface Ready {
  readonly name: string;
  readonly mesh: string;
  readonly kernel: string;
  readonly api: string;
  readonly id: string;
  /** Where it began a mesh. */
  readonly invitation?: { readonly token: string };
}

export interface Exit {
  readonly code: number | null;
  readonly stderr: string;
}

export interface PeerProcess {
  readonly ready: Promise<Ready>;
  readonly exit: Promise<Exit>;
  /** Asks it to end, as the system does. */
  stop(): Promise<Exit>;
}

/** What `run --json` takes a picture for. */
export function bestLabel(document: unknown): string | undefined {
  const { answer } = document as RunResult;
  return answer.kind === 'classes' ? answer.top[0]?.label : undefined;
}

export interface Surroundings {
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
}

export function startPeerProcess(command: readonly string[], { cwd, env }: Surroundings): PeerProcess {
  const [file, ...args] = command;
  // Whatever becomes of the test, the kernel ends the peer with it.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', file!, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = exitOf(child);
  return {
    ready: readyLine(child, exit),
    exit,
    stop: () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_DEADLINE_MS);
      return exit.finally(() => clearTimeout(timer));
    },
  };
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  let stderr = '';
  child.stderr!.on('data', (text: Buffer) => (stderr += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

async function readyLine(child: ChildProcess, exit: Promise<Exit>): Promise<Ready> {
  const line = once(createInterface({ input: child.stdout! }), 'line', {
    signal: AbortSignal.timeout(READY_DEADLINE_MS),
  });
  const ended = exit.then(({ code, stderr }) => {
    throw new Error(`ended with ${code} before it was ready: ${stderr.slice(-2000)}`);
  });
  const [text] = (await Promise.race([line, ended])) as [string];
  return JSON.parse(text) as Ready;
}
