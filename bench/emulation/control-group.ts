/** A control group: the share of a core that the processes in it have together, and the time they took. */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { abandoned, runName } from './ownership.ts';
import { quotaFor } from './quota.ts';
import { controllerFolders } from './system.ts';

const KILL_TIMEOUT_MS = 10_000;
const KILL_POLL_MS = 20;

export class ControlGroup {
  readonly #cpu: string;
  readonly #cpuacct: string;

  private constructor(cpu: string, cpuacct: string) {
    this.#cpu = cpu;
    this.#cpuacct = cpuacct;
  }

  /** A group without a limit. It belongs to this run. */
  static async create(name: string): Promise<ControlGroup> {
    const folders = await controllerFolders();
    const path = join(runName(process.pid), name);
    const group = new ControlGroup(join(folders.cpu, path), join(folders.cpuacct, path));
    for (const folder of [group.#cpu, group.#cpuacct]) await mkdir(folder, { recursive: true });
    return group;
  }

  /** The words before a command that run it in this group: `[...group.prefix, 'node', 'x.js']`. */
  get prefix(): readonly string[] {
    const enter = 'for group in "$1" "$2"; do echo $$ > "$group/cgroup.procs" || exit 1; done; shift 2; exec "$@"';
    return ['sh', '-c', enter, 'sh', this.#cpu, this.#cpuacct];
  }

  /** @param cores null: no limit. */
  async limit(cores: number | null): Promise<void> {
    if (cores === null) {
      await writeFile(join(this.#cpu, 'cpu.cfs_quota_us'), '-1');
      return;
    }
    const { periodUs, quotaUs } = quotaFor(cores);
    await writeFile(join(this.#cpu, 'cpu.cfs_period_us'), String(periodUs));
    await writeFile(join(this.#cpu, 'cpu.cfs_quota_us'), String(quotaUs));
  }

  /** Processor time of all processes that are or were in the group. */
  async cpuMs(): Promise<number> {
    return Number(await readFile(join(this.#cpuacct, 'cpuacct.usage'), 'utf8')) / 1e6;
  }

  /** Ends what still runs in the group, and removes it. */
  async remove(): Promise<void> {
    for (const folder of [this.#cpu, this.#cpuacct]) await removeGroup(folder);
  }
}

async function removeGroup(folder: string): Promise<void> {
  const deadlineMs = performance.now() + KILL_TIMEOUT_MS;
  for (;;) {
    const pids = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
    for (const pid of pids.split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      if (performance.now() > deadlineMs) throw error;
    }
    await setTimeout(KILL_POLL_MS);
  }
}

async function removeRun(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  await removeGroup(folder);
}

/** Removes the groups of this run, which are empty by then, or those of runs that are gone. */
export async function removeControlGroups(whose: 'own' | 'abandoned'): Promise<void> {
  for (const folder of Object.values(await controllerFolders())) {
    const names = whose === 'own' ? [runName(process.pid)] : await abandoned(await readdir(folder));
    for (const name of names) await removeRun(join(folder, name));
  }
}
