/** What this process takes of its machine. */
import { availableParallelism } from 'node:os';

export interface Usage {
  /** Share of all cores since the last reading, 0 to 100. */
  readonly cpuPercent: number;
  /** Resident memory. */
  readonly memoryBytes: number;
}

/** A meter that counts from now. */
export function createUsageMeter(): () => Usage {
  const cores = availableParallelism();
  let cpu = process.cpuUsage();
  let wallMs = performance.now();
  return () => {
    const spent = process.cpuUsage(cpu);
    const nowMs = performance.now();
    const share = (spent.user + spent.system) / 1e3 / Math.max(1, nowMs - wallMs) / cores;
    cpu = process.cpuUsage();
    wallMs = nowMs;
    return { cpuPercent: Math.min(100, 100 * share), memoryBytes: process.memoryUsage.rss() };
  };
}
