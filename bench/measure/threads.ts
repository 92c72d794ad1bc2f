/** Where a peer's processor time went: in kernels, in the event loop, in planning, in garbage collection and the rest. */
import { readdir, readFile } from 'node:fs/promises';
import { THREAD_NAME } from '../../kernels/lanes/messages.ts';

export interface ThreadTimes {
  readonly kernelMs: number;
  readonly eventLoopMs: number;
  /** The engine's own threads: garbage collection and compilation. */
  readonly engineMs: number;
  readonly otherMs: number;
}

const ROLES: Readonly<Record<string, keyof ThreadTimes>> = {
  [THREAD_NAME]: 'kernelMs',
  MainThread: 'eventLoopMs',
  V8Worker: 'engineMs',
};

/** Processor time of the threads of a process so far. Threads that have ended do not count. */
export async function threadTimes(pid: number): Promise<ThreadTimes> {
  const times = { kernelMs: 0, eventLoopMs: 0, engineMs: 0, otherMs: 0 };
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    const [name, schedule] = await Promise.all([
      readFile(`${folder}/comm`, 'utf8').catch(() => ''),
      readFile(`${folder}/schedstat`, 'utf8').catch(() => '0'),
    ]);
    times[ROLES[name.trim()] ?? 'otherMs'] += Number(schedule.split(' ')[0]) / 1e6;
  }
  return times;
}

export const threadTimesSince = (before: ThreadTimes, after: ThreadTimes): ThreadTimes => ({
  kernelMs: after.kernelMs - before.kernelMs,
  eventLoopMs: after.eventLoopMs - before.eventLoopMs,
  engineMs: after.engineMs - before.engineMs,
  otherMs: after.otherMs - before.otherMs,
});

const RESIDENT = { now: 'VmRSS', peak: 'VmHWM' } as const;

/** Resident set of a process, or the largest that it had so far, in bytes. */
export async function memoryBytes(pid: number, when: keyof typeof RESIDENT): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(new RegExp(`^${RESIDENT[when]}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
}
