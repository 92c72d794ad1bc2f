/** A Debian in a folder that has been started: its own systemd is process 1, in a container of systemd-nspawn. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isProgram } from '../../bench/emulation/system.ts';
import { chrootObstacle, environment, type Chroot } from './chroot.ts';

const execute = promisify(execFile);
const BOOT_DEADLINE_MS = 60_000;
const HALT_DEADLINE_MS = 60_000;
const COMMAND_DEADLINE_MS = 300_000;
const POLL_MS = 100;
/** Where systemd keeps its processes, on a machine whose other controllers are of version 1. */
const HIERARCHIES = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'];

/** What such a Debian has besides the smallest one. */
export const BOOTED_PACKAGES = ['systemd-sysv', 'dbus'] as const;

const isPresent = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** What is in the way of starting one here; undefined: nothing. */
export async function bootObstacle(): Promise<string | undefined> {
  for (const program of ['systemd-nspawn', 'nsenter']) {
    if (!(await isProgram(program))) return `"${program}" is not installed (packages systemd-container, util-linux)`;
  }
  const isHost = await isPresent('/run/systemd/system');
  if (!isHost && !(await isPresent(HIERARCHIES[0]!))) return 'there is no hierarchy of control groups for systemd';
  return chrootObstacle();
}

export interface MachineOptions {
  readonly hostname: string;
  /** Name of the network namespace that it is put into. */
  readonly namespace: string;
}

export class Machine {
  readonly #container: ChildProcess;
  readonly #groups: string[];
  /** Of its process 1, out here. */
  #leader = 0;

  private constructor(container: ChildProcess, groups: string[]) {
    this.#container = container;
    this.#groups = groups;
  }

  /** Returns when systemd has started all that it starts by itself. @throws Error with what the container printed. */
  static async boot(chroot: Chroot, { hostname, namespace }: MachineOptions): Promise<Machine> {
    // Each has a number of its own; without one, systemd would take this for the first start of a new machine.
    await writeFile(chroot.path('etc/machine-id'), `${crypto.randomUUID().replaceAll('-', '')}\n`);
    await rm(chroot.path('var/lib/dbus/machine-id'), { force: true });
    const groups = await makeGroups(hostname);
    const container = spawn(
      'setpriv',
      // Whatever becomes of the test, the kernel ends the container with it.
      ['--pdeathsig', 'KILL', 'sh', '-c', enterGroups(groups), 'systemd-nspawn', ...nspawn(chroot.folder), `--hostname=${hostname}`, `--network-namespace-path=/run/netns/${namespace}`], // prettier-ignore
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let printed = '';
    for (const stream of [container.stdout, container.stderr])
      stream.on('data', (text: Buffer) => (printed += String(text)));
    const machine = new Machine(container, groups);
    try {
      await machine.#waitForBoot(AbortSignal.timeout(BOOT_DEADLINE_MS));
      return machine;
    } catch (cause) {
      await machine.stop();
      throw new Error(`systemd did not start in a container: ${printed.trim().slice(-500)}`, { cause });
    }
  }

  /** Standard output of a command on it. @throws Error with what it printed. */
  async run(...words: readonly string[]): Promise<string> {
    const args = ['--target', String(this.#leader), '--all', ...words];
    const options = { env: environment(), timeout: COMMAND_DEADLINE_MS, maxBuffer: 2 ** 26 };
    try {
      return (await execute('nsenter', args, options)).stdout;
    } catch (cause) {
      const { stdout = '', stderr = '' } = cause as { readonly stdout?: string; readonly stderr?: string };
      throw new Error(`${words.join(' ')}: ${(stdout + stderr).trim()}`, { cause });
    }
  }

  /** Properties of a unit, as systemd has them now. */
  async unit(name: string, ...properties: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const text = await this.run('systemctl', 'show', name, `--property=${properties.join(',')}`);
    return Object.fromEntries(text.trim().split('\n').map((line) => line.split(/=(.*)/s) as [string, string])); // prettier-ignore
  }

  /** Shuts it down, as a button would. */
  async stop(): Promise<void> {
    const container = this.#container;
    if (container.exitCode === null && container.signalCode === null) {
      const exit = once(container, 'exit');
      container.kill('SIGTERM');
      const isHalted = await Promise.race([exit.then(() => true), setTimeout(HALT_DEADLINE_MS, false, { ref: false })]);
      if (!isHalted) {
        container.kill('SIGKILL');
        await exit;
      }
    }
    await Promise.all(this.#groups.splice(0).map(removeGroup));
  }

  async #waitForBoot(signal: AbortSignal): Promise<void> {
    const { pid } = this.#container;
    const children = `/proc/${pid}/task/${pid}/children`;
    for (;;) {
      if (this.#container.exitCode !== null) throw new Error('it ended');
      const [first] = (await readFile(children, 'utf8').catch(() => '')).split(' ');
      if (first !== undefined && first !== '') {
        this.#leader = Number(first);
        const state = await this.run('systemctl', 'is-system-running', '--wait').catch(String);
        if (/\brunning\b/.test(state)) return;
        if (/\bdegraded\b/.test(state)) throw new Error(await this.run('systemctl', 'list-units', '--failed'));
      }
      await setTimeout(POLL_MS, undefined, { signal });
    }
  }
}

const nspawn = (folder: string): readonly string[] => [
  '--quiet',
  '--register=no',
  '--boot',
  '--console=pipe',
  // Of process 1: halt.
  '--kill-signal=SIGRTMIN+3',
  // In its own network: a firewall.
  '--capability=CAP_NET_ADMIN',
  `--directory=${folder}`,
];

/** Control groups of its own, where no systemd gives it some; none where one does. */
async function makeGroups(hostname: string): Promise<string[]> {
  if (await isPresent('/run/systemd/system')) return [];
  const groups: string[] = [];
  for (const hierarchy of HIERARCHIES) {
    if (!(await isPresent(hierarchy))) continue;
    const group = join(hierarchy, `tilemesh-test-${process.pid}-${hostname}`);
    await mkdir(group);
    groups.push(group);
  }
  return groups;
}

/** A script that goes into them and becomes the container. */
const enterGroups = (groups: readonly string[]): string => {
  const enter = groups.map((group) => `echo $$ > ${group}/cgroup.procs && `).join('');
  return `${enter}exec "$0" "$@"${groups.length === 0 ? '' : ' --keep-unit'}`;
};

/** With the groups in it, which are empty once the container is gone. */
async function removeGroup(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  }
  await rmdir(folder);
}
