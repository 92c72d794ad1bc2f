/**
 * The libp2p node under everything: TCP, Noise, yamux, identify and our own discovery, tuned for a few dozen peers on
 * one network. No relays, no DHT, no connection monitor: membership has its own failure detector.
 */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { identify, type Identify } from '@libp2p/identify';
import type { ComponentLogger, Libp2p, Metrics, PeerId, PrivateKey, ServiceMap } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { createLibp2p, type ServiceFactoryMap } from 'libp2p';
import { MeshError } from '../core/errors.ts';
import { asPeerId } from '../core/ids.ts';
import type { Logger } from '../observability/logger.ts';
import { discovery, type Discovery } from './discovery.ts';
import { Strangers, type StrangerLimits } from './strangers.ts';
import { AdmittingEncrypter, type Gate } from './trust/admission.ts';
import type { Trust } from './trust/trust.ts';

export interface HostOptions<Services extends ServiceMap> {
  readonly privateKey: PrivateKey;
  readonly strangers?: StrangerLimits;
  /** Whom to let in. */
  readonly trust: Pick<Trust, 'isBanned' | 'onChange' | keyof Gate>;
  readonly listen: {
    /** 0: any. */
    readonly port: number;
    /** IPv4 addresses of this machine to listen on; all when empty. */
    readonly addresses: readonly string[];
  };
  readonly discovery: { readonly mdns: boolean; readonly bootstrap: readonly string[] };
  /** Protocol services, as factories. */
  readonly services: ServiceFactoryMap<Services>;
  readonly logger: Logger;
  /** File descriptors that the process may have; a quarter is for connections that others open. Absent: enough. */
  readonly descriptors?: number;
  /** Where libp2p counts what it does; absent: nowhere. */
  readonly metrics?: (components: { readonly logger: ComponentLogger }) => Metrics;
}

export interface BaseServices extends Record<string, unknown> {
  readonly identify: Identify;
  readonly discovery: Discovery;
}

export type Host<Services extends ServiceMap = ServiceMap> = Libp2p<BaseServices & Services>;

/** Boards that start together on busy cores take long to secure a connection; failures show sooner by other means. */
const PATIENCE_MS = 60_000;
/** Every pair of 64 peers may hold two connections while both dial. */
const MAX_CONNECTIONS = 160;
/** Of one peer: one is used, a second comes about while both dial, and broken ones linger for a moment. */
const MAX_CONNECTIONS_OF_PEER = 4;
/** Idle streams are kept: the longest a timer can be set to, some 24 days. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * A node that does not run yet, so that listeners can be attached: see `startHost`.
 * @throws MeshError INVALID_CONFIG for addresses that are none.
 */
export async function createHost<Services extends ServiceMap>(options: HostOptions<Services>): Promise<Host<Services>> {
  const { listen, trust, privateKey, logger } = options;
  const interfaces = listen.addresses.length > 0 ? listen.addresses : ['0.0.0.0'];
  const services: ServiceFactoryMap<BaseServices> = {
    identify: identify({ timeout: PATIENCE_MS }),
    discovery: discovery({
      ...options.discovery,
      keys: () => trust.keys(),
      logger: logger.child({ actor: 'discovery' }),
    }),
  };
  const strangers = new Strangers(options.strangers);
  const isBanned = (peer: PeerId): boolean => trust.isBanned(asPeerId(peer.toString()));
  const host = await createLibp2p({
    start: false,
    privateKey,
    ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    addresses: { listen: interfaces.map((address) => `/ip4/${address}/tcp/${listen.port}`) },
    transports: [
      tcp({
        dialOpts: { noDelay: true },
        listenOpts: { noDelay: true },
        maxConnections: Math.min(MAX_CONNECTIONS, Math.ceil((options.descriptors ?? Infinity) / 4)),
      }),
    ],
    connectionEncrypters: [
      (components) => new AdmittingEncrypter(noise()(components), asPeerId(components.peerId.toString()), trust),
    ],
    streamMuxers: [yamux({ streamOptions: { inactivityTimeout: NEVER_MS } })],
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      // Many at once starve each other on a busy board; too few wait for frozen peers.
      maxParallelDials: 4,
      dialTimeout: PATIENCE_MS,
      addressDialTimeout: PATIENCE_MS,
      inboundUpgradeTimeout: PATIENCE_MS,
      inboundStreamProtocolNegotiationTimeout: PATIENCE_MS,
      outboundStreamProtocolNegotiationTimeout: PATIENCE_MS,
      // Peers on one machine share an address.
      inboundConnectionThreshold: 64,
      maxIncomingPendingConnections: 64,
      reconnectRetries: 0,
    },
    connectionMonitor: { enabled: false },
    // Every address libp2p knows for peers on a local network is as good as another; private ones may be dialled.
    connectionGater: {
      denyDialMultiaddr: () => false,
      denyDialPeer: isBanned,
      denyInboundConnection: (connection) => !strangers.admit(connection),
      denyInboundEncryptedConnection: (peer, connection) => {
        strangers.forget(connection);
        return isBanned(peer);
      },
      denyOutboundEncryptedConnection: isBanned,
    },
    services: { ...options.services, ...services } as ServiceFactoryMap<BaseServices & Services>,
  });
  host.addEventListener('connection:open', ({ detail: connection }) => {
    if (host.getConnections(connection.remotePeer).length <= MAX_CONNECTIONS_OF_PEER) return;
    connection.abort(new MeshError('RATE_LIMITED', 'a peer may hold so many connections and no more'));
  });
  trust.onChange(() => {
    host.services.discovery.refresh();
    for (const connection of host.getConnections()) {
      if (isBanned(connection.remotePeer)) connection.abort(new MeshError('FORBIDDEN', 'the peer was banned'));
    }
  });
  return host;
}

/**
 * Listens and begins to look for peers.
 * @throws MeshError PORT_IN_USE, INVALID_CONFIG when it cannot listen at an address.
 */
export async function startHost(host: Pick<Libp2p, 'start'>, { listen }: Pick<HostOptions<ServiceMap>, 'listen'>) {
  try {
    await host.start();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (text.includes('EADDRINUSE')) {
      const message = `port ${listen.port} is used by another program: choose another with --listen, or 0 for any`;
      throw new MeshError('PORT_IN_USE', message, { cause: error, details: { port: listen.port } });
    }
    if (text.includes('EADDRNOTAVAIL') || text.includes('EACCES')) {
      const message = `cannot listen on ${listen.addresses.join(', ')} port ${listen.port}: name addresses this machine has, and a port above 1023`;
      throw new MeshError('INVALID_CONFIG', message, { cause: error });
    }
    throw error;
  }
}
