/** The membership as the actors of a request see it: whom to give work, what they are called, when they are lost. */
import type { ModelId, PeerId } from '../core/ids.ts';
import { Conduct } from './conduct.ts';
import { MEMBERSHIP_DEFAULTS } from '../core/membership/member.ts';
import type { ViewMember } from '../core/membership/view.ts';
import type { Announcement } from './model-library.ts';
import type { Membership } from './membership.ts';
import type { MemberDirectory, MemberProfile } from './ports.ts';
import { Paces } from './paces.ts';

/** A peer that claims more than so many times what this one does is believed so much. */
const MAX_SPEED_RATIO = 64;

export class Directory implements MemberDirectory {
  readonly #membership: Membership;
  readonly #paces = new Paces(() => performance.now());
  readonly #conduct = new Conduct(() => performance.now());

  constructor(membership: Membership) {
    this.#membership = membership;
  }

  get self(): PeerId {
    return this.#membership.self;
  }

  available(): readonly MemberProfile[] {
    const members = this.#workers();
    const own = members.find(({ peer }) => peer === this.self)?.heartbeat.macsPerSecond ?? 0;
    const fastest = own > 0 ? own * MAX_SPEED_RATIO : Infinity;
    return members.map(({ peer, heartbeat }) => ({
      peer,
      name: heartbeat.name,
      macsPerSecond: this.#paces.believed(peer, Math.min(fastest, Math.max(1, heartbeat.macsPerSecond))),
      memoryBudgetBytes: heartbeat.memoryBudgetBytes,
      queueDepth: heartbeat.queueDepth,
      activeRequests: heartbeat.activeRequests,
      models: new Set<ModelId>(heartbeat.models.map(({ id }) => id)),
    }));
  }

  /** A peer that drains finishes its work alone where nobody else is left to do it. */
  #workers(): readonly ViewMember[] {
    const { members } = this.#membership.view();
    if (members.length > 0) return members;
    const [self] = this.#membership.members();
    return self?.state === 'draining' && self.heartbeat !== null
      ? [{ peer: self.peer, heartbeat: self.heartbeat }]
      : [];
  }

  /** Models that the other members say they hold. */
  announcements(): readonly Announcement[] {
    return this.#membership
      .view()
      .members.filter(({ peer }) => peer !== this.self)
      .flatMap(({ peer, heartbeat }) => heartbeat.models.map((model) => ({ ...model, peer })));
  }

  nameOf(peer: PeerId): string {
    const member = this.#membership.members().find((status) => status.peer === peer);
    return member?.heartbeat?.name ?? peer;
  }

  noteLate(peer: PeerId): void {
    this.#paces.late(peer);
  }

  notePace(peer: PeerId, pace: number): void {
    this.#paces.seen(peer, pace);
  }

  noteFault(peer: PeerId): void {
    if (peer !== this.self) this.#conduct.fault(peer);
  }

  isBenched(peer: PeerId): boolean {
    return this.#conduct.isBenched(peer);
  }

  doubt(peer: PeerId): void {
    this.#membership.doubt(peer);
  }

  doubtful(): readonly PeerId[] {
    return this.#membership.doubtful();
  }

  usualWaitMs(peers: readonly PeerId[]): number {
    return this.#membership.usualWaitMs(peers);
  }

  convict(peer: PeerId, detail: string): void {
    if (peer !== this.self) this.#membership.penalise(peer, MEMBERSHIP_DEFAULTS.banPenalty, detail);
  }

  convicted(): readonly PeerId[] {
    return this.#membership.members().flatMap(({ peer, state }) => (state === 'banned' ? [peer] : []));
  }

  onLost(listener: (peer: PeerId) => void): () => void {
    const stops = [this.#membership.on('lost', listener), this.#membership.on('down', listener)];
    return () => stops.forEach((stop) => stop());
  }

  onFound(listener: (peer: PeerId) => void): () => void {
    return this.#membership.on('up', listener);
  }
}
