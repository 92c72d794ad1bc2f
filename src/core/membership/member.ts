/** A member as this peer sees it, and what the states mean. */
import type { PeerId } from '../ids.ts';
import type { Arrivals, PatienceSettings } from './arrival.ts';
import type { Heartbeat } from './heartbeat.ts';

export const MEMBER_STATES = {
  /** Connected, has not said yet that it is ready for work. */
  joining: { isUp: false, isClosed: false },
  /** Ready for work. */
  alive: { isUp: true, isClosed: false },
  /** Finishes what it has, takes nothing new. */
  draining: { isUp: true, isClosed: false },
  /** Its connection was lost, or it has been silent too long. It may recover, or fail. */
  suspect: { isUp: true, isClosed: false },
  /** Said goodbye. */
  left: { isUp: false, isClosed: true },
  /** Gone without a word. */
  failed: { isUp: false, isClosed: true },
  /** Of another mesh or an incompatible version. */
  incompatible: { isUp: false, isClosed: true },
  /** Broke the protocol too often. */
  banned: { isUp: false, isClosed: true },
} as const satisfies Record<string, { readonly isUp: boolean; readonly isClosed: boolean }>;

export type MemberState = keyof typeof MEMBER_STATES;

export interface Member {
  readonly peer: PeerId;
  readonly state: MemberState;
  /** When it entered this state. */
  readonly sinceMs: number;
  readonly isConnected: boolean;
  /** When it was last heard of, or first connected. */
  readonly heardMs: number;
  /** When its last heartbeat came: the rhythm that patience is learnt from. */
  readonly beatMs: number;
  readonly heartbeat: Heartbeat | null;
  readonly arrivals: Arrivals;
  /** Penalty for broken rules as of `penaltyMs`; halves every minute. */
  readonly penalty: number;
  readonly penaltyMs: number;
  /** Why it is incompatible or banned, with advice; null otherwise. */
  readonly detail: string | null;
}

export interface MembershipSettings extends PatienceSettings {
  readonly mesh: string;
  readonly version: string;
  readonly heartbeatMs: number;
  /** A member heard of so recently need not be noted again: messages come by the hundred. */
  readonly hearAgainMs: number;
  /** A member whose last connection closed has failed when it is not back by then. */
  readonly reconnectMs: number;
  /** A stranger that has not introduced itself by then is disconnected. */
  readonly introductionMs: number;
  /** How long an incompatible peer is not dialled and not let in. */
  readonly incompatibleMs: number;
  /** How long it stays connected, so that it hears from us and leaves us alone, too. */
  readonly farewellMs: number;
  readonly banMs: number;
  /** Penalty at which a peer is banned. */
  readonly banPenalty: number;
  /** How long members that are gone stay in the list. */
  readonly forgetMs: number;
  readonly maxMembers: number;
  /** One tick counts for at most so much silence: a pause of ours is not silence of theirs. */
  readonly maxTickMs: number;
}

export const MEMBERSHIP_DEFAULTS = Object.freeze({
  heartbeatMs: 1_000,
  hearAgainMs: 250,
  minSuspectMs: 2_000,
  maxSuspectMs: 5_000,
  reconnectMs: 1_000,
  introductionMs: 10_000,
  incompatibleMs: 60_000,
  farewellMs: 1_000,
  banMs: 600_000,
  banPenalty: 100,
  forgetMs: 600_000,
  maxMembers: 256,
  maxTickMs: 1_000,
}) satisfies Omit<MembershipSettings, 'mesh' | 'version'>;

export const isUp = ({ state }: Member): boolean => MEMBER_STATES[state].isUp;
/** Nothing it says counts until it connects anew. */
export const isClosed = ({ state }: Member): boolean => MEMBER_STATES[state].isClosed;
