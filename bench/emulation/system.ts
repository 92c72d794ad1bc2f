/** Programs of the system that set up networks, and whether they may be used here. */
import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { MeshError } from '../../src/core/errors.ts';

const execute = promisify(execFile);
const TIMEOUT_MS = 30_000;

/** Standard output of a program. @throws MeshError UNAVAILABLE with what it printed, or when it is not installed. */
export async function runProgram(program: string, ...args: readonly string[]): Promise<string> {
  try {
    return (await execute(program, args, { timeout: TIMEOUT_MS })).stdout;
  } catch (cause) {
    const { code, stderr } = cause as { readonly code?: unknown; readonly stderr?: string };
    const reason = code === 'ENOENT' ? 'it is not installed' : (stderr?.trim() ?? String(cause));
    throw new MeshError('UNAVAILABLE', `"${[program, ...args].join(' ')}" failed: ${reason}`, { cause });
  }
}

export type Controller = 'cpu' | 'cpuacct';

/** Where the hierarchy of a version 1 controller is mounted; undefined where it is not. */
async function mountPoint(controller: Controller): Promise<string | undefined> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
  return mounts.find(([, , type, options]) => type === 'cgroup' && options?.split(',').includes(controller))?.[1];
}

/** Folders of the controllers that give a process its share of a core, and count what it took. */
export async function controllerFolders(): Promise<Readonly<Record<Controller, string>>> {
  const [cpu, cpuacct] = await Promise.all([mountPoint('cpu'), mountPoint('cpuacct')]);
  if (cpu !== undefined && cpuacct !== undefined) return { cpu, cpuacct };
  throw new MeshError('UNAVAILABLE', 'there are no version 1 control groups for cpu and cpuacct on this machine');
}

export const isProgram = (name: string): Promise<boolean> =>
  Promise.any((process.env.PATH ?? '').split(':').map((folder) => access(`${folder || '.'}/${name}`))).then(
    () => true,
    () => false,
  );

/** Why boards cannot be emulated on this machine; undefined where they can. */
export async function emulationObstacle(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'network namespaces and control groups need root';
  for (const program of ['ip', 'tc']) {
    if (!(await isProgram(program))) return `"${program}" (package iproute2) is not installed`;
  }
  return controllerFolders().then(
    () => undefined,
    (error: unknown) => (error as Error).message,
  );
}

/** @throws MeshError UNAVAILABLE. */
export async function assertCanEmulate(): Promise<void> {
  const obstacle = await emulationObstacle();
  if (obstacle !== undefined) throw new MeshError('UNAVAILABLE', `boards cannot be emulated here: ${obstacle}`);
}
