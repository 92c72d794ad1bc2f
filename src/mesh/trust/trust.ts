/**
 * Which mesh this peer belongs to, and whom it lets in: keeps the charter and the identities it has met, on disk, and
 * answers the questions of `admission.ts`. What the administrator changes here reaches the others by `charter-gossip.ts`.
 */
import { MeshError } from '../../core/errors.ts';
import type { PeerId } from '../../core/ids.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Gate } from './admission.ts';
import { Applicants, type Applicant } from './applicants.ts';
import {
  newAdminKey,
  openCharter,
  signCharter,
  withNewKey,
  type Charter,
  type MembershipLevel,
  type SignedCharter,
} from './charter.ts';
import { encodeGrant, type Grant } from './grant.ts';
import { IssuedInvitations, type Invitation } from './issued-invitations.ts';
import { readMembership, writeMembership, type MembershipFileName, type StoredMembership } from './membership-file.ts';
import { deriveKey, newSecret, secretOf, type MeshKey } from './mesh-key.ts';

export interface TrustOptions {
  readonly folder: string;
  readonly level: MembershipLevel;
  /** Name of the mesh. */
  readonly mesh: string;
  /** A secret that all members are configured with, in place of a charter; empty: none. */
  readonly secret: string;
  readonly logger: Logger;
  /** Unix time. */
  readonly now?: () => number;
}

export interface TrustView {
  readonly mesh: string;
  readonly level: MembershipLevel;
  readonly isAdministrator: boolean;
  /** Invitations that are out. */
  readonly invitations: number;
  readonly banned: readonly PeerId[];
  readonly trusted: readonly PeerId[];
  readonly pending: readonly Applicant[];
}

/** How long a key that was replaced still admits peers known from before: a board may be switched off for so long. */
const GRACE_MS = 7 * 24 * 60 * 60 * 1000;
const MAX_ROSTER = 1024;

/** A key of the charter, ready for use. */
interface Held {
  readonly key: MeshKey;
  readonly retiredAtMs: number | null;
}

export class Trust implements Gate {
  readonly #options: TrustOptions;
  readonly #file: MembershipFileName;
  readonly #self: PeerId;
  readonly #roster: Set<PeerId>;
  readonly #invitations: IssuedInvitations;
  readonly #applicants = new Applicants();
  readonly #listeners = new Set<() => void>();
  readonly #now: () => number;
  #membership: StoredMembership | null;
  #charter: Charter | null;
  #held: readonly Held[] = [];
  #hasBegun = false;
  /** Writes one after the other. */
  #written: Promise<void> = Promise.resolve();

  private constructor(self: PeerId, options: TrustOptions, file: MembershipFileName, stored: StoredMembership | null) {
    this.#self = self;
    this.#options = options;
    this.#file = file;
    this.#now = options.now ?? Date.now;
    this.#invitations = new IssuedInvitations(this.#now);
    this.#roster = new Set(stored?.roster);
    this.#membership = stored;
    this.#charter = stored === null ? null : charterOf(stored);
    this.#hold();
  }

  /** @throws MeshError STORAGE_FAILED */
  static async open(self: PeerId, options: TrustOptions): Promise<Trust> {
    const isConfigured = options.level === 'open' || options.secret !== '';
    const file = isConfigured ? 'membership-configured.json' : 'membership.json';
    const stored = await readMembership(options.folder, file);
    if (!isConfigured) return new Trust(self, options, file, stored);
    const before = stored === null ? null : charterOf(stored);
    const secret = options.level === 'open' ? secretOf(`open mesh ${options.mesh}`) : secretOf(options.secret);
    const charter: Charter = {
      serial: before?.serial ?? 1,
      mesh: options.mesh,
      level: options.level,
      keys: [{ secret: Buffer.from(secret).toString('hex'), retiredAtMs: null }],
      banned: before?.banned ?? [],
      trusted: before?.trusted ?? [],
    };
    return new Trust(self, options, file, {
      charter: { document: JSON.stringify(charter), signature: '' },
      adminPublicKey: null,
      adminPrivateKey: null,
      roster: stored?.roster ?? [],
    });
  }

  /** False: it must begin a mesh or join one first. */
  get isMember(): boolean {
    return this.#charter !== null;
  }

  /** Whether members are configured, not invited. */
  get isConfigured(): boolean {
    return this.#file === 'membership-configured.json';
  }

  /** Whether it began its mesh in this run. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Nobody else was ever met: there is nothing to lose. */
  get isAlone(): boolean {
    return this.#roster.size === 0;
  }

  get level(): MembershipLevel {
    return this.#charter?.level ?? this.#options.level;
  }

  get mesh(): string {
    return this.#charter?.mesh ?? this.#options.mesh;
  }

  /** Begins a mesh with a key of its own, administered from here. @throws MeshError STORAGE_FAILED */
  async begin(): Promise<void> {
    const admin = newAdminKey();
    const charter: Charter = {
      serial: 1,
      mesh: this.#options.mesh,
      level: this.#options.level,
      keys: [{ secret: Buffer.from(newSecret()).toString('hex'), retiredAtMs: null }],
      banned: [],
      trusted: [this.#self],
    };
    await this.#install({
      charter: signCharter(charter, admin),
      adminPublicKey: admin.publicKey,
      adminPrivateKey: admin.privateKey,
      roster: [],
    });
    this.#hasBegun = true;
  }

  /** Belongs to the mesh that an invitation came from. @throws MeshError STORAGE_FAILED, INVALID_MESSAGE */
  async enter({ charter, adminPublicKey, adminPrivateKey }: Grant): Promise<void> {
    openCharter(charter, adminPublicKey);
    this.#roster.clear();
    await this.#install({ charter, adminPublicKey, adminPrivateKey, roster: [] });
  }

  keys(): readonly MeshKey[] {
    const limitMs = this.#now() - GRACE_MS;
    const current = this.#held.filter(({ retiredAtMs }) => retiredAtMs === null || retiredAtMs > limitMs);
    return [...current.map(({ key }) => key), ...this.#invitations.keys()];
  }

  checkIdentity(peer: PeerId): void {
    if (this.isBanned(peer)) throw new MeshError('FORBIDDEN', `peer ${peer} is banned from this mesh`);
  }

  checkMember(peer: PeerId, key: MeshKey): void {
    const held = this.#held.find((candidate) => candidate.key === key);
    const charter = this.#charter;
    if (held === undefined || charter === null) throw new MeshError('FORBIDDEN', `peer ${peer} is no member`);
    if (held.retiredAtMs !== null && !this.#roster.has(peer)) {
      throw new MeshError('FORBIDDEN', `peer ${peer} is new here and holds an old key: invite it again`);
    }
    if (charter.level === 'pinned' && !charter.trusted.includes(peer)) {
      const isNew = this.#applicants.note(peer, this.#now());
      if (isNew) this.#options.logger.info({ peer }, 'a peer waits for approval: tilemesh peer trust');
      throw new MeshError('FORBIDDEN', `peer ${peer} waits for approval: tilemesh peer trust ${peer}`);
    }
    this.#meet(peer);
  }

  redeem(key: MeshKey): Uint8Array | undefined {
    const membership = this.#membership;
    if (membership?.adminPublicKey == null) return undefined;
    const invitation = this.#invitations.redeem(key);
    if (invitation === undefined) return undefined;
    this.#options.logger.info('an invitation was accepted');
    this.#changed();
    const { charter, adminPublicKey, adminPrivateKey } = membership;
    return encodeGrant({ charter, adminPublicKey, adminPrivateKey: invitation.withAdmin ? adminPrivateKey : null });
  }

  /** A member takes no invitations. */
  accept(): void {
    throw new MeshError('FORBIDDEN', 'this peer belongs to a mesh already');
  }

  refused(peer: PeerId, { code, message }: MeshError): void {
    this.#options.logger.debug({ peer, code }, message);
  }

  isBanned(peer: PeerId): boolean {
    return this.#charter?.banned.some((ban) => ban.peer === peer) ?? false;
  }

  view(): TrustView {
    const { mesh, level, banned, trusted } = this.#demand();
    return {
      mesh,
      level,
      isAdministrator: this.#membership?.adminPublicKey === null || this.#membership?.adminPrivateKey != null,
      invitations: this.#invitations.count,
      banned: banned.map(({ peer }) => peer),
      trusted: level === 'pinned' ? trusted : [],
      pending: this.#applicants.list(),
    };
  }

  /** @param withAdmin whether the new peer shall administer the mesh, too. @throws MeshError CONFLICT, FORBIDDEN, OVERLOADED */
  invite(withAdmin = false): Invitation {
    this.#demand();
    if (this.#membership?.adminPublicKey == null) {
      const advice = 'give the other peer the same membership setting instead';
      throw new MeshError('CONFLICT', `this mesh is configured, not joined by invitation: ${advice}`);
    }
    if (withAdmin) this.#demandAdmin();
    const invitation = this.#invitations.issue(withAdmin);
    this.#changed();
    return invitation;
  }

  /** Shuts a peer out, and replaces the key that it knows. @throws MeshError FORBIDDEN, INVALID_ARGUMENT */
  async ban(peer: PeerId): Promise<void> {
    if (peer === this.#self) {
      throw new MeshError('INVALID_ARGUMENT', 'a peer cannot ban itself: do it at another one');
    }
    if (this.isBanned(peer)) return;
    this.#roster.delete(peer);
    this.#applicants.forget(peer);
    const secret = Buffer.from(newSecret()).toString('hex');
    await this.#amend((charter, isSigned) => ({
      ...(isSigned ? withNewKey(charter, secret, this.#now()) : charter),
      banned: [...charter.banned, { peer, sinceMs: this.#now() }],
      trusted: charter.trusted.filter((other) => other !== peer),
    }));
  }

  /** @throws MeshError FORBIDDEN, NOT_FOUND */
  async unban(peer: PeerId): Promise<void> {
    if (!this.isBanned(peer)) throw new MeshError('NOT_FOUND', `peer ${peer} is not banned`);
    await this.#amend((charter) => ({ ...charter, banned: charter.banned.filter((ban) => ban.peer !== peer) }));
  }

  /** Approves an identity, for the level `pinned`. @throws MeshError FORBIDDEN, CONFLICT */
  async trust(peer: PeerId): Promise<void> {
    if (this.isBanned(peer)) throw new MeshError('CONFLICT', `peer ${peer} is banned: tilemesh peer unban ${peer}`);
    this.#applicants.forget(peer);
    if (this.#demand().trusted.includes(peer)) return;
    await this.#amend((charter) => ({ ...charter, trusted: [...charter.trusted, peer] }));
  }

  /** Who may join from now on; members stay. @throws MeshError FORBIDDEN */
  async setLevel(level: MembershipLevel): Promise<void> {
    await this.#amend((charter) => ({
      ...charter,
      level,
      trusted: [...new Set([...charter.trusted, this.#self, ...this.#roster])],
    }));
  }

  /** Replaces the key; peers known from before may still connect with the old one for a week. @throws MeshError FORBIDDEN */
  async rotate(): Promise<void> {
    const secret = Buffer.from(newSecret()).toString('hex');
    if (this.#membership?.adminPublicKey === null) {
      throw new MeshError('CONFLICT', 'the key of this mesh is configured: change it there');
    }
    await this.#amend((charter) => withNewKey(charter, secret, this.#now()));
  }

  /** What members hand each other; null where there is nothing signed. */
  get signed(): SignedCharter | null {
    return this.#membership?.adminPublicKey == null ? null : this.#membership.charter;
  }

  /** A charter from another member. True: it is news. @throws MeshError INVALID_MESSAGE */
  receive(signed: SignedCharter): boolean {
    const membership = this.#membership;
    if (membership?.adminPublicKey == null || this.#charter === null) return false;
    const charter = openCharter(signed, membership.adminPublicKey);
    if (charter.serial <= this.#charter.serial) return false;
    void this.#install({ ...membership, charter: signed }).catch((error: unknown) =>
      this.#options.logger.warn({ err: error }, 'what the administrator changed could not be kept'),
    );
    return true;
  }

  /** Called when keys, lists or invitations have changed. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when all is on disk. */
  async close(): Promise<void> {
    await this.#written;
  }

  #demand(): Charter {
    if (this.#charter !== null) return this.#charter;
    throw new MeshError('NOT_A_MEMBER', 'this peer belongs to no mesh: tilemesh join TOKEN');
  }

  #demandAdmin(): void {
    const { adminPublicKey = null, adminPrivateKey = null } = this.#membership ?? {};
    if (adminPublicKey === null || adminPrivateKey !== null) return;
    throw new MeshError(
      'FORBIDDEN',
      'only an administrator may do that: run it on the board that began the mesh, or there "tilemesh invite --admin" and "tilemesh join TOKEN --again" here',
    );
  }

  async #amend(change: (charter: Charter, isSigned: boolean) => Charter): Promise<void> {
    const charter = this.#demand();
    this.#demandAdmin();
    const membership = this.#membership!;
    const { adminPublicKey: publicKey, adminPrivateKey: privateKey } = membership;
    const isSigned = publicKey !== null && privateKey !== null;
    const next = { ...change(charter, isSigned), serial: charter.serial + 1 };
    const signed = isSigned
      ? signCharter(next, { publicKey, privateKey })
      : { document: JSON.stringify(next), signature: '' };
    await this.#install({ ...membership, charter: signed });
  }

  /** In force at once, on disk when this resolves. */
  async #install(membership: StoredMembership): Promise<void> {
    this.#charter = charterOf(membership);
    this.#membership = membership;
    this.#hold();
    this.#changed();
    await this.#save();
  }

  #hold(): void {
    const known = new Map(this.#held.map(({ key }) => [Buffer.from(key.proving).toString('hex'), key]));
    this.#held = (this.#charter?.keys ?? []).map(({ secret, retiredAtMs }) => {
      const derived = deriveKey(new Uint8Array(Buffer.from(secret, 'hex')));
      const key = known.get(Buffer.from(derived.proving).toString('hex')) ?? this.#named(derived);
      return { key, retiredAtMs };
    });
  }

  /** The tag of an open mesh is no secret: its name. */
  #named(key: MeshKey): MeshKey {
    return this.#charter?.level === 'open' ? { ...key, tag: `open-${this.#charter.mesh}` } : key;
  }

  #save(): Promise<void> {
    const membership = this.#membership;
    if (membership === null) return this.#written;
    const write = (): Promise<void> =>
      writeMembership(this.#options.folder, this.#file, { ...membership, roster: [...this.#roster] });
    const written = this.#written.then(write, write);
    this.#written = written.catch(() => undefined);
    return written;
  }

  #meet(peer: PeerId): void {
    if (this.#roster.has(peer) || this.#charter?.level === 'open') return;
    this.#roster.add(peer);
    const [first] = this.#roster;
    if (this.#roster.size > MAX_ROSTER && first !== undefined) this.#roster.delete(first);
    this.#save().catch((error: unknown) =>
      this.#options.logger.warn({ err: error }, 'whom this peer has met could not be kept'),
    );
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

const charterOf = ({ charter, adminPublicKey }: StoredMembership): Charter =>
  adminPublicKey === null ? (JSON.parse(charter.document) as Charter) : openCharter(charter, adminPublicKey);
