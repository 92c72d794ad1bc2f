/** Peers of a mesh that has a key: identities, data folders and what they know of their mesh. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { asPeerId, type PeerId } from '../../src/core/ids.ts';
import type { MembershipLevel } from '../../src/mesh/trust/charter.ts';
import { decodeGrant } from '../../src/mesh/trust/grant.ts';
import { Trust } from '../../src/mesh/trust/trust.ts';
import { silentLogger } from '../../src/observability/logger.ts';

export interface Identity {
  readonly peer: PeerId;
  readonly privateKey: PrivateKey;
  readonly folder: string;
  readonly trust: Trust;
}

export interface TrustSettings {
  readonly level?: MembershipLevel;
  readonly secret?: string;
  /** Unix time. */
  readonly now?: () => number;
}

/** Folders of a test, removed with `clear`. */
export class Identities {
  readonly #folders: string[] = [];
  readonly #made: Identity[] = [];

  /** Somebody who belongs to no mesh, unless a secret is configured. */
  async stranger(settings: TrustSettings = {}): Promise<Identity> {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-trust-'));
    this.#folders.push(folder);
    const privateKey = await generateKeyPair('Ed25519');
    return this.again({ privateKey, folder, peer: asPeerId(peerIdFromPrivateKey(privateKey).toString()) }, settings);
  }

  /** The same peer, started anew. */
  async again(
    { privateKey, folder, peer }: Pick<Identity, 'privateKey' | 'folder' | 'peer'>,
    { level = 'secret', secret = '', now }: TrustSettings = {},
  ): Promise<Identity> {
    const options = { folder, level, mesh: 'test', secret, logger: silentLogger() };
    const trust = await Trust.open(peer, { ...options, ...(now === undefined ? {} : { now }) });
    const made = { peer, privateKey, folder, trust };
    this.#made.push(made);
    return made;
  }

  /** Who begins a mesh and administers it. */
  async founder(settings: TrustSettings = {}): Promise<Identity> {
    const made = await this.stranger(settings);
    await made.trust.begin();
    return made;
  }

  /** Who joined by invitation, without a network. */
  async member(of: Identity, settings: TrustSettings & { readonly withAdmin?: boolean } = {}): Promise<Identity> {
    const made = await this.stranger(settings);
    const before = new Set(of.trust.keys());
    of.trust.invite(settings.withAdmin);
    const key = of.trust.keys().find((candidate) => !before.has(candidate))!;
    await made.trust.enter(decodeGrant(of.trust.redeem(key)!));
    return made;
  }

  async clear(): Promise<void> {
    await Promise.all(this.#made.splice(0).map(({ trust }) => trust.close()));
    await Promise.all(this.#folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
  }
}
