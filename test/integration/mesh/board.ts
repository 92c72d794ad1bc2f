/** A peer without work: host, health and membership. As a program it joins the peer at the address it is given. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { health, type HealthService } from '../../../protocols/health/service.ts';
import { createHost, startHost, type Host, type HostOptions } from '../../../src/mesh/host.ts';
import type { StrangerLimits } from '../../../src/mesh/strangers.ts';
import { CharterGossip } from '../../../src/mesh/trust/charter-gossip.ts';
import { trust as charters, type TrustService } from '../../../protocols/trust/service.ts';
import { Membership } from '../../../src/mesh/membership.ts';
import { openMesh } from '../../support/open-mesh.ts';
import type { Trust } from '../../../src/mesh/trust/trust.ts';
import { silentLogger } from '../../../src/observability/logger.ts';

interface Services extends Record<string, unknown> {
  readonly health: HealthService;
  readonly charters: TrustService;
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
  /** Without: whoever names the same mesh is let in. */
  readonly trust?: Trust;
  readonly strangers?: StrangerLimits;
  readonly privateKey?: PrivateKey;
}

export async function createBoard(name: string, options: BoardOptions = {}): Promise<Board> {
  const { mesh = 'test', version = '0.1.0', bootstrap = [], mdns = false, port = 0 } = options;
  const trust = options.trust ?? (await openMesh(mesh));
  const hostOptions: HostOptions<Services> = {
    privateKey: options.privateKey ?? (await generateKeyPair('Ed25519')),
    trust,
    ...(options.strangers === undefined ? {} : { strangers: options.strangers }),
    listen: { port, addresses: mdns ? [] : ['127.0.0.1'] },
    discovery: { mdns, bootstrap },
    services: { health: health(), charters: charters() },
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
  new CharterGossip({
    trust,
    channel: host.services.charters,
    host,
    onForgery: (peer, error) => membership.penalise(peer, 20, error.message),
  }).start();
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
