/** What a peer knows of its mesh at its start, as it is configured and as its data folder remembers. */
import { MeshError } from '../../core/errors.ts';
import type { PeerId } from '../../core/ids.ts';
import type { Logger } from '../../observability/logger.ts';
import { belong } from './belong.ts';
import type { MembershipLevel } from './charter.ts';
import { Trust } from './trust.ts';

export interface TrustConfig {
  readonly data: string;
  readonly mesh: string;
  readonly membership: { readonly level: MembershipLevel; readonly secret: string; readonly begin: boolean };
  readonly discovery: { readonly mdns: boolean; readonly bootstrap: readonly string[] };
  /** Where each setting comes from. */
  readonly origins: Readonly<Record<string, string>>;
}

/** A member from now on. @throws MeshError NOT_A_MEMBER, INVALID_CONFIG, STORAGE_FAILED */
export async function openTrust(self: PeerId, config: TrustConfig, logger: Logger): Promise<Trust> {
  const { data, mesh, membership, discovery, origins } = config;
  const trust = await Trust.open(self, {
    folder: data,
    level: membership.level,
    secret: membership.secret,
    mesh,
    logger: logger.child({ actor: 'trust' }),
  });
  if (trust.isMember && trust.mesh !== mesh && origins.mesh !== 'default') {
    const advice = `leave the name out, or give the peer another folder with --data`;
    throw new MeshError('INVALID_CONFIG', `${data} belongs to the mesh '${trust.mesh}', not '${mesh}': ${advice}`);
  }
  await belong(trust, { ...discovery, begins: membership.begin, logger });
  if (trust.level !== membership.level && origins['membership.level'] !== 'default') {
    await trust.setLevel(membership.level);
  }
  return trust;
}
