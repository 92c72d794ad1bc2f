/**
 * How a board that belongs to no mesh takes an invitation: it finds the peer that issued it by multicast, or at an address
 * it is given, proves the token in the handshake, and gets the mesh's keys.
 */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { PrivateKey } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { MeshError } from '../../core/errors.ts';
import { asPeerId } from '../../core/ids.ts';
import type { Logger } from '../../observability/logger.ts';
import { destination, parseAddress, reachable } from '../addresses.ts';
import { Multicast } from '../multicast.ts';
import { AdmittingEncrypter, type Gate } from './admission.ts';
import { decodeGrant, type Grant } from './grant.ts';
import { keyOfToken, parseToken } from './invitation.ts';

export interface JoinOptions {
  /** As typed. */
  readonly token: string;
  /** The identity that joins: the one the peer will run with. */
  readonly privateKey: PrivateKey;
  /** Addresses of members, for networks without multicast. */
  readonly bootstrap: readonly string[];
  readonly mdns: boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const DIAL_TIMEOUT_MS = 20_000;

/** @throws MeshError INVALID_ARGUMENT for what is no token; NOT_FOUND when nobody with that invitation is found in time. */
export async function requestGrant(options: JoinOptions): Promise<Grant> {
  const { privateKey, bootstrap, mdns, logger, signal } = options;
  const key = keyOfToken(parseToken(options.token));
  const granted = Promise.withResolvers<Grant>();
  granted.promise.catch(() => undefined);
  const gate: Gate = {
    keys: () => [key],
    checkIdentity: () => undefined,
    checkMember: () => {
      throw new MeshError('FORBIDDEN', 'an invitation is no membership');
    },
    redeem: () => undefined,
    accept: (grant) => granted.resolve(decodeGrant(grant)),
    refused: () => undefined,
  };
  const node = await createLibp2p({
    privateKey,
    transports: [tcp({ dialOpts: { noDelay: true } })],
    connectionEncrypters: [
      (components) => new AdmittingEncrypter(noise()(components), asPeerId(components.peerId.toString()), gate),
    ],
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 },
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false },
  });
  const dial = async (address: Multiaddr): Promise<void> => {
    await node.dial(address, { signal: AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]) });
  };
  const tried = new Set<string>();
  const multicast = new Multicast({
    keys: () => [key],
    self: null,
    logger,
    isAlone: () => true,
    onPeer: ({ peer, addresses }) => {
      for (const address of reachable(addresses)) {
        const target = destination(peer, address) as Multiaddr;
        if (tried.has(target.toString())) continue;
        tried.add(target.toString());
        // The dial fails in any case: an invitation is accepted before there is a connection.
        dial(target).catch(() => tried.delete(target.toString()));
      }
    },
  });
  const giveUp = (): void => granted.reject(nobody(mdns, bootstrap));
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    if (mdns) multicast.start();
    const dials = bootstrap.map((text) => dial(parseAddress(text)));
    // Without multicast nothing else can come of it.
    if (!mdns) void Promise.allSettled(dials).then(giveUp);
    for (const attempt of dials) attempt.catch(() => undefined);
    return await granted.promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
    await multicast.stop();
    await node.stop();
  }
}

function nobody(mdns: boolean, bootstrap: readonly string[]): MeshError {
  const where = [mdns ? 'on this network' : '', bootstrap.length > 0 ? `at ${bootstrap.join(', ')}` : '']
    .filter((part) => part !== '')
    .join(' or ');
  return new MeshError(
    'NOT_FOUND',
    `no peer ${where} has this invitation: check the token, get another with "tilemesh invite" where it has expired or let a board in, and ` +
      'name the address of that peer (--bootstrap HOST:PORT) where multicast does not pass',
  );
}
