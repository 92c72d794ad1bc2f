/** A peer without work: host, health and membership. As a program it joins the peer at the address it is given. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import { health, type HealthService } from '../../../protocols/health/service.ts';
import { createHost, startHost, type Host, type HostOptions } from '../../../src/mesh/host.ts';
import { Membership } from '../../../src/mesh/membership.ts';
import { silentLogger } from '../../../src/observability/logger.ts';

interface Services extends Record<string, unknown> {
  readonly health: HealthService;
}

export interface Board {
  readonly host: Host<Services>;
  readonly membership: Membership;
  start(): Promise<void>;
}

export interface BoardOptions {
  readonly mesh?: string;
  readonly version?: string;
  readonly bootstrap?: readonly string[];
  /** Without: on loopback only. */
  readonly mdns?: boolean;
  readonly port?: number;
}

export async function createBoard(name: string, options: BoardOptions = {}): Promise<Board> {
  const { mesh = 'test', version = '0.1.0', bootstrap = [], mdns = false, port = 0 } = options;
  const hostOptions: HostOptions<Services> = {
    privateKey: await generateKeyPair('Ed25519'),
    mesh,
    listen: { port, addresses: mdns ? [] : ['127.0.0.1'] },
    discovery: { mdns, bootstrap },
    services: { health: health() },
    logger: silentLogger(),
  };
  const host = await createHost(hostOptions);
  const membership = new Membership({
    host,
    health: host.services.health,
    local: {
      mesh,
      name,
      version,
      state: 'alive',
      startedAtMs: Date.now(),
      macsPerSecond: 1e9,
      memoryBudgetBytes: 1e9,
      queueDepth: 0,
      activeRequests: 0,
      models: [],
    },
    logger: silentLogger(),
  });
  const start = async (): Promise<void> => {
    membership.start();
    await startHost(host, hostOptions);
  };
  return { host, membership, start };
}

if (import.meta.main) {
  const board = await createBoard('process', { bootstrap: process.argv.slice(2) });
  await board.start();
  console.log('ready');
}
