/**
 * Short shares of a core, kept to. The kernel takes stock of what a control group has used when a process switches and at
 * its own tick, every 4 ms where that is 250 Hz: a group with 1 ms of every 12 ms then runs for 4 ms and stands still for
 * 44. A process of real-time priority on each core that wakes twice a millisecond makes the kernel look: the group runs for
 * 1 ms and stands still for 11. Each takes about a twentieth of its core.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { MeshError } from '../../src/core/errors.ts';

const TICK = fileURLToPath(new URL('./metronome-tick.ts', import.meta.url));
/** Above everything that is not real-time. */
const PRIORITY = '10';
/** What a share of a core is granted at a time, then. */
export const GRANT_MS = 1;

/** One for each core, until `cleanUp` ends them. @throws MeshError UNAVAILABLE where processes may not have such a priority. */
export async function startMetronomes(cleanUp: AsyncDisposableStack): Promise<void> {
  for (let core = 0; core < availableParallelism(); core++) {
    const args = ['--fifo', PRIORITY, 'taskset', '--cpu-list', String(core), process.execPath, TICK];
    const child = spawn('chrt', args, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    const exited = once(child, 'exit').catch(() => undefined);
    cleanUp.defer(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    const started = await Promise.race([once(child.stdout, 'data').then(() => true), exited.then(() => false)]);
    if (!started) {
      throw new MeshError('UNAVAILABLE', 'no process of real-time priority can be started with "chrt" and "taskset"');
    }
  }
}
