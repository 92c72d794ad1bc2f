/**
 * Names of what a run makes outside its own memory: network namespaces, a bridge, control groups, a folder. They carry the
 * process id of their run, so that what a killed run has left is told from what another run is using.
 */
import { readFile } from 'node:fs/promises';

const PREFIX = 'tilemesh-bench-';
/** Network interfaces have 15 characters: this, up to seven digits, and four for the board. */
const LINK_PREFIX = 'tmb';

export const runName = (pid: number): string => `${PREFIX}${pid}`;
export const namespaceName = (pid: number, board: number): string => `${PREFIX}${pid}-${board}`;
export const bridgeName = (pid: number): string => `${LINK_PREFIX}${pid}`;
export const linkName = (pid: number, board: number): string => `${LINK_PREFIX}${pid}p${board}`;
/** A second switch, for boards that are to be apart from the others. Boards count from 1. */
export const otherBridgeName = (pid: number): string => linkName(pid, 0);

/** The process that made something of that name; undefined for what no run makes. */
export function ownerOf(name: string): number | undefined {
  const [, run, link] = /^(?:tilemesh-bench-(\d+)(?:-\w+)?|tmb(\d+)(?:p\d+)?)$/.exec(name) ?? [];
  const digits = run ?? link;
  return digits === undefined ? undefined : Number(digits);
}

/** Whether the process is there. One that has ended and waits for its parent is not. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** Those of `names` that belong to runs which are gone. */
export async function abandoned(names: readonly string[]): Promise<readonly string[]> {
  const verdicts = await Promise.all(
    names.map(async (name) => {
      const owner = ownerOf(name);
      return owner !== undefined && owner !== process.pid && !(await isRunning(owner));
    }),
  );
  return names.filter((_, index) => verdicts[index]);
}
