/** Joining as the command line does it; loaded by `join` only. */
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { loadConfig } from '../config/load.ts';
import { MeshError } from '../core/errors.ts';
import { asPeerId } from '../core/ids.ts';
import { loadIdentity, lockFolder } from '../mesh/identity.ts';
import { requestGrant } from '../mesh/trust/join.ts';
import { Trust } from '../mesh/trust/trust.ts';
import { createLogger } from '../observability/logger.ts';
import type { JoinRequest } from './commands/join.ts';

const DEADLINE_MS = 30_000;

export async function joinMesh(request: JoinRequest): Promise<{ readonly mesh: string; readonly data: string }> {
  const { token, overrides, configFile, again, signal } = request;
  const config = await loadConfig(process.cwd(), overrides, configFile);
  const { data, mesh, membership, discovery } = config;
  if (membership.level === 'open' || membership.secret !== '') {
    throw new MeshError('CONFLICT', 'who belongs to this mesh is configured: start the peer, no invitation is needed');
  }
  const lock = await lockFolder(data);
  try {
    const privateKey = await loadIdentity(data);
    const logger = createLogger(config.log.level);
    const self = asPeerId(peerIdFromPrivateKey(privateKey).toString());
    const trust = await Trust.open(self, { folder: data, level: membership.level, mesh, secret: '', logger });
    if (trust.isMember && !trust.isAlone && !again) {
      const advice = 'add --again to leave that for the one you are invited to';
      throw new MeshError('CONFLICT', `this board belongs to the mesh '${trust.mesh}' already: ${advice}`);
    }
    const grant = await requestGrant({
      token,
      privateKey,
      ...discovery,
      logger,
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    });
    await trust.enter(grant);
    return { mesh: trust.mesh, data };
  } finally {
    await lock.release();
  }
}
