/** Every default, in one place. */
import { homedir, hostname, totalmem } from 'node:os';
import { join } from 'node:path';
import type { MeshConfig } from './define.ts';

const GIB = 2 ** 30;

/** The machine that defaults depend on. */
export interface Machine {
  readonly hostname: string;
  readonly home: string;
  readonly memoryBytes: number;
}

/** This one; in a container, what the container may use. */
export function thisMachine(): Machine {
  const limit = process.constrainedMemory();
  const memoryBytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return { hostname: hostname(), home: homedir(), memoryBytes };
}

/** A machine's name as the name of a peer. */
const nameOf = (host: string): string => host.replace(/^[^A-Za-z0-9]+|[^\w.-]/g, '').slice(0, 63) || 'peer';

/** `~/.tilemesh/NAME`: peers of different names on one machine do not meet there. */
export const defaultDataFolder = (machine: Machine, name: string): string => join(machine.home, '.tilemesh', name);

export function defaultsFor(machine: Machine): MeshConfig {
  const name = nameOf(machine.hostname);
  return Object.freeze({
    name,
    mesh: 'default',
    data: defaultDataFolder(machine, name),
    membership: Object.freeze({ level: 'secret', secret: '', begin: false }),
    api: Object.freeze({ host: '127.0.0.1', port: 8470, token: '', tls: 'off', grpcPort: 'off' }),
    listen: Object.freeze({ port: 0, addresses: Object.freeze([]) }),
    dataPlane: Object.freeze({ carrier: 'auto', port: 0 }),
    discovery: Object.freeze({ mdns: true, bootstrap: Object.freeze([]) }),
    kernel: Object.freeze({
      name: 'auto',
      lanes: 0,
      threads: 0,
      isolation: 'thread',
      macsPerSecond: 0,
      arithmetic: 'exact',
      layers: Object.freeze({}),
    }),
    // The rest is for the program itself and for whatever else runs on the board.
    memory: Object.freeze({ budgetBytes: Math.floor(machine.memoryBytes / 2) }),
    models: Object.freeze({ copies: 5, diskBudgetBytes: 8 * GIB }),
    requests: Object.freeze({ maxConcurrent: 4, maxQueued: 64, defaultDeadlineMs: 60_000, drainMs: 30_000 }),
    verify: Object.freeze({ share: 0.01 }),
    log: Object.freeze({ level: 'info' }),
  } satisfies MeshConfig);
}
