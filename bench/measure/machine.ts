/** The machine that measurements were made on, and what else it did meanwhile. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly onnxRuntime: string;
  readonly tilemesh: string;
  /** Of the checkout, with `+` where files differ from it; empty where there is none. */
  readonly commit: string;
  /** ISO 8601. */
  readonly date: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const versionOf = (file: string | URL): string =>
  (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version;

function git(...args: readonly string[]): string {
  try {
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
    onnxRuntime: versionOf(new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url)),
    tilemesh: versionOf(new URL('../../package.json', import.meta.url)),
    commit: `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+'}`,
    date: new Date().toISOString(),
  };
}

/** Time of all cores so far, as the kernel counts it, in ticks. */
interface Ticks {
  readonly idle: number;
  readonly steal: number;
  readonly total: number;
}

/** Shares of all cores over a while, 0 to 1. */
export interface Load {
  readonly idle: number;
  /** Taken by the host of a virtual machine. */
  readonly steal: number;
}

/** @param stat the text of `/proc/stat`. */
export function parseTicks(stat: string): Ticks {
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softIrq = 0, steal = 0] = stat
    .slice(0, stat.indexOf('\n'))
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { idle: idle + wait, steal, total: user + nice + system + idle + wait + irq + softIrq + steal };
}

/** Begins to watch; the returned function tells of the time since. */
export async function watchLoad(): Promise<() => Promise<Load>> {
  const read = async (): Promise<Ticks> => parseTicks(await readFile('/proc/stat', 'utf8'));
  const before = await read();
  return async () => {
    const now = await read();
    const total = Math.max(1, now.total - before.total);
    return { idle: (now.idle - before.idle) / total, steal: (now.steal - before.steal) / total };
  };
}
