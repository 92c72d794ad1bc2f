/** What membership knows and asks for; the shapes that its step functions share. */
import type { PeerId } from '../ids.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { Member, MembershipSettings, MemberState } from './member.ts';
import { isClosed, isUp } from './member.ts';
import type { HealthMessage } from './messages.ts';

export interface MembershipState {
  readonly settings: MembershipSettings;
  readonly self: PeerId;
  /** What this peer says of itself. */
  readonly local: Heartbeat;
  readonly members: ReadonlyMap<PeerId, Member>;
  /** Counts news: what this peer says of itself, and what it hears of others. */
  readonly revision: number;
  /** When `local` changed last, and when more than its load did, by that count. */
  readonly localRevision: number;
  readonly localProfileRevision: number;
  /** Numbers probes and stands for chance. */
  readonly count: number;
  /** Probes for others, by their number. */
  readonly errands: ReadonlyMap<number, Errand>;
  readonly lastTickMs: number;
  /** How late ticks have been. */
  readonly lateMs: number;
  readonly nextBeatMs: number;
  readonly nextExchangeMs: number;
  readonly sweptMs: number;
}

/** Somebody wants to know whether a peer lives. */
export interface Errand {
  readonly for: PeerId;
  readonly nonce: number;
  readonly about: PeerId;
  readonly atMs: number;
}

export type DownReason = 'left' | 'failed' | 'incompatible' | 'banned';

export type MembershipEffect =
  /** Ready for work, for the first time or again. */
  | { readonly kind: 'up'; readonly peer: PeerId }
  /** May be gone: move its running work elsewhere, give it nothing new. */
  | { readonly kind: 'lost'; readonly peer: PeerId; readonly cause: 'disconnected' | 'silent' | 'restarted' }
  /** Is gone. */
  | { readonly kind: 'down'; readonly peer: PeerId; readonly reason: DownReason }
  /** Close its connections now, without waiting for it. */
  | { readonly kind: 'disconnect'; readonly peer: PeerId }
  | { readonly kind: 'redial'; readonly peer: PeerId }
  /** Do not dial it for a while. */
  | { readonly kind: 'avoid'; readonly peer: PeerId; readonly forMs: number; readonly detail: string }
  | { readonly kind: 'send'; readonly to: readonly PeerId[]; readonly message: HealthMessage };

export type MembershipStep = readonly [MembershipState, readonly MembershipEffect[]];

/** One member after the event, and what is to be done. */
export type Change = readonly [Member, readonly MembershipEffect[]];

export const enter = (member: Member, state: MemberState, nowMs: number): Member =>
  member.state === state ? member : { ...member, state, sinceMs: nowMs };

/** The end of a member's time, until it connects anew. */
export function close(member: Member, reason: DownReason, nowMs: number): Change {
  const { peer } = member;
  const closed = {
    ...enter(member, reason, nowMs),
    isNeighbour: false,
    dueSinceMs: null,
    doubtedMs: null,
    probe: null,
  };
  return [closed, isUp(member) ? [{ kind: 'down', peer, reason }] : []];
}

export const withMembers = (state: MembershipState, ...changed: readonly Member[]): MembershipState => {
  if (changed.every((member) => state.members.get(member.peer) === member)) return state;
  const members = new Map(state.members);
  for (const member of changed) members.set(member.peer, member);
  return { ...state, members };
};

/** Whom a message reaches. */
export const isReachable = (member: Member): boolean => member.isConnected && !isClosed(member);

export const listeners = (members: ReadonlyMap<PeerId, Member>): readonly PeerId[] =>
  [...members.values()].filter(isReachable).map(({ peer }) => peer);

/** One of the peers that others may work with. */
export const isUsable = ({ state }: Member): boolean => state === 'alive' || state === 'draining';
