/** A member of the mesh that holds its key and means ill: it speaks the protocols, and does what the test says. */
import { createHash, randomBytes } from 'node:crypto';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { blobs } from '../../protocols/blobs/service.ts';
import { election, type ElectionService } from '../../protocols/election/service.ts';
import { health, type HealthService } from '../../protocols/health/service.ts';
import { pieces, type PiecesService } from '../../protocols/pieces/service.ts';
import { plan, type PlanService } from '../../protocols/plan/service.ts';
import { asPeerId, type ModelId, type PeerId, type RequestId } from '../../src/core/ids.ts';
import { createHost, startHost, type Host } from '../../src/mesh/host.ts';
import { Membership } from '../../src/mesh/membership.ts';
import { Trust } from '../../src/mesh/trust/trust.ts';
import { silentLogger } from '../../src/observability/logger.ts';

interface Services extends Record<string, unknown> {
  readonly election: ElectionService;
  readonly plan: PlanService;
  readonly pieces: PiecesService;
  readonly health: HealthService;
}

export interface Hostile {
  readonly peer: PeerId;
  readonly host: Host<Services>;
  /** Messages that it was sent, by kind. */
  readonly heard: Map<string, number>;
  stop(): Promise<void>;
}

export interface Conduct {
  /** To a proposal: nothing; accepts and does nothing; accepts and renews for ever. */
  readonly coordinator: 'silent' | 'accepts' | 'renews';
  /**
   * To a plan: nothing; says each second that it computes; says that it cannot reach the others; tells them that it
   * coordinates now, with a term that nobody else will reach.
   */
  readonly participant: 'silent' | 'computing' | 'accuses' | 'usurps';
}

const MODELS = 64;
const LAST_TERM = 1_000_000;

export async function startHostile(
  {
    folder,
    mesh,
    secret,
    bootstrap,
    addresses = ['127.0.0.1'],
  }: {
    readonly folder: string;
    readonly mesh: string;
    readonly secret: string;
    readonly bootstrap: readonly string[];
    readonly addresses?: readonly string[];
  },
  conduct: Conduct,
): Promise<Hostile> {
  const privateKey = await generateKeyPair('Ed25519');
  const peer = asPeerId(peerIdFromPrivateKey(privateKey).toString());
  const logger = silentLogger();
  const trust = await Trust.open(peer, { folder, level: 'secret', mesh, secret, logger });
  const options = {
    privateKey,
    trust,
    listen: { port: 0, addresses },
    discovery: { mdns: false, bootstrap },
    services: { election: election(), plan: plan(), pieces: pieces(), blobs: blobs(), health: health() },
    logger,
  };
  const host = await createHost<Services>(options);
  const membership = new Membership({
    host,
    health: host.services.health,
    logger,
    local: {
      mesh,
      name: 'hostile',
      version: '0.1.0',
      state: 'alive',
      startedAtMs: Date.now(),
      // A million times what any board does, with all the memory, idle, and every model under every name.
      macsPerSecond: 1e18,
      memoryBudgetBytes: 2 ** 50,
      queueDepth: 0,
      activeRequests: 0,
      models: Array.from({ length: MODELS }, (_, index) => ({
        id: createHash('sha256').update(`none ${index}`).digest('hex') as ModelId,
        name: `model-${index}`,
        bytesHeld: 2 ** 40,
        bytesTotal: 2 ** 40,
      })),
    },
  });
  const heard = new Map<string, number>();
  const timers = new Set<NodeJS.Timeout>();
  const every = (ms: number, act: () => Promise<void>): void =>
    void timers.add(setInterval(() => void act().catch(() => undefined), ms));
  host.services.election.onMessage((from, message) => {
    heard.set(message.kind, (heard.get(message.kind) ?? 0) + 1);
    if (message.kind !== 'propose' || conduct.coordinator === 'silent') return;
    const { requestId, term } = message;
    const tell = host.services.election.send.bind(host.services.election);
    tell(from, { kind: 'accept', requestId, term, leaseMs: 60_000 }).catch(() => undefined);
    if (conduct.coordinator !== 'renews') return;
    every(200, () => tell(from, { kind: 'renew', requestId, term, stage: 'computing', completed: 1, total: 2 }));
  });
  host.services.plan.onMessage((from, message) => {
    heard.set(message.kind, (heard.get(message.kind) ?? 0) + 1);
    if (message.kind !== 'assign' || conduct.participant === 'silent') return;
    const { requestId, term, attempt } = message;
    const at = { requestId, term, attempt };
    const tell = host.services.plan.send.bind(host.services.plan);
    if (conduct.participant === 'computing') {
      tell(from, { kind: 'ready', ...at }).catch(() => undefined);
      every(1_000, () => tell(from, { kind: 'progress', ...at, tiles: [] }));
      return;
    }
    const others = host.getPeers().map((other) => asPeerId(other.toString()));
    if (conduct.participant === 'usurps') {
      for (const other of others) tell(other, { ...message, term: LAST_TERM, attempt: 1 }).catch(() => undefined);
      return;
    }
    const lostPeer = others.find((other) => other !== from)!;
    tell(from, { kind: 'failed', ...at, code: 'PEER_LOST', message: 'it is gone', lostPeer }).catch(() => undefined);
  });
  membership.start();
  await startHost(host, options);
  return {
    peer,
    host,
    heard,
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      await membership.stop();
      await host.stop();
    },
  };
}

const PROTOCOLS = ['health', 'election', 'plan', 'pieces', 'blobs', 'trust'] as const;

/** Opens a stream of every protocol to a peer and writes what no peer would, until told to stop. */
export async function sendGarbage({ host }: Hostile, to: PeerId, signal: AbortSignal): Promise<number> {
  const connection = host.getConnections().find(({ remotePeer }) => remotePeer.toString() === to);
  if (connection === undefined) return 0;
  let sent = 0;
  await Promise.all(
    PROTOCOLS.map(async (protocol) => {
      while (!signal.aborted) {
        try {
          const stream = await connection.newStream(`/tilemesh/${protocol}/1.0.0`, { signal });
          stream.send(randomBytes(64 * 1024));
          sent++;
          await new Promise((resolve) => setTimeout(resolve, 10));
          stream.abort(new Error('enough'));
        } catch {
          return;
        }
      }
    }),
  );
  return sent;
}

/** Proposals of requests that nobody made, and pieces that nobody asked for, as fast as they go out. */
export async function flood({ host }: Hostile, to: PeerId, signal: AbortSignal): Promise<number> {
  const { election: elections, pieces: tensors } = host.services;
  let sent = 0;
  const bytes = new Uint8Array(256 * 1024);
  while (!signal.aborted) {
    const requestId = randomBytes(16).toString('hex') as RequestId;
    const modelId = randomBytes(32).toString('hex') as ModelId;
    try {
      await elections.send(to, {
        kind: 'propose',
        requestId,
        term: 1,
        modelId,
        parallelism: 0,
        deadlineMs: 1e6,
        inputs: [],
        avoid: [],
      });
      await tensors.send(to, {
        requestId,
        term: 1,
        attempt: 1,
        block: 0,
        part: 0,
        tensor: 'x',
        type: 'uint8',
        region: [{ start: 0, end: bytes.byteLength }],
        bytes,
      });
      sent++;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (sent % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return sent;
}
