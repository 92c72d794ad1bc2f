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
  /** Whether it has said who it is since it connected. */
  readonly isIntroduced: boolean;
  /** Whether beats go both ways every second. */
  readonly isNeighbour: boolean;
  /** When it last said that it waits for our beats; null when it never did. */
  readonly watchedByMs: number | null;
  /** When it was last heard, or first connected. */
  readonly heardMs: number;
  /** Since when a word of it is due; null while none is. Silence counts from here. */
  readonly dueSinceMs: number | null;
  /** Since when somebody here waits for it in vain, and has had it probed; null when it was heard since. */
  readonly doubtedMs: number | null;
  /** When its last beat came: the rhythm that patience is learnt from. */
  readonly beatMs: number;
  readonly arrivals: Arrivals;
  /** Number of the probe that it, or others about it, have not answered yet. */
  readonly probe: number | null;
  /** What it said of itself last, to whomever. */
  readonly heartbeat: Heartbeat | null;
  /** Who told that; null when it did. */
  readonly toldBy: PeerId | null;
  /** Our count of news when that came, and when more than its load changed. */
  readonly revision: number;
  readonly profileRevision: number;
  /** News that it has been told, by our count. */
  readonly toldRevision: number;
  /** Stamp of its last message, and when that came. */
  readonly stamp: { readonly sentMs: number; readonly atMs: number } | null;
  /** Smoothed; null until measured. */
  readonly rttMs: number | null;
  /** Penalty for broken rules as of `penaltyMs`; halves every minute. */
  readonly penalty: number;
  readonly penaltyMs: number;
  /** Why it is incompatible or banned, with advice; null otherwise. */
  readonly detail: string | null;
}

export interface MembershipSettings extends PatienceSettings {
  readonly mesh: string;
  readonly version: string;
  readonly tickMs: number;
  readonly heartbeatMs: number;
  /** Between two exchanges of everything that is known, each with another member. */
  readonly exchangeMs: number;
  /** How long before it is suspected a silent neighbour is probed, by this peer and by others for it. */
  readonly probeLeadMs: number;
  /** One that is doubted and does not answer for so long is suspected; later where it is known to be late. */
  readonly doubtMs: number;
  /** One that is doubted and does not answer for so long is given nothing new. */
  readonly doubtfulMs: number;
  /** Others asked to probe it. */
  readonly helpers: number;
  /** A member heard of so recently is not suspected because of others. */
  readonly freshMs: number;
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
  /** Probes under way for others. */
  readonly maxErrands: number;
  /** One tick counts for at most so much silence: a pause of ours is not silence of theirs. */
  readonly maxTickMs: number;
}

export const MEMBERSHIP_DEFAULTS = Object.freeze({
  tickMs: 250,
  heartbeatMs: 1_000,
  exchangeMs: 10_000,
  minSuspectMs: 2_000,
  maxSuspectMs: 5_000,
  probeLeadMs: 750,
  doubtMs: 500,
  doubtfulMs: 150,
  helpers: 2,
  freshMs: 1_000,
  hearAgainMs: 250,
  reconnectMs: 1_000,
  introductionMs: 10_000,
  incompatibleMs: 60_000,
  farewellMs: 1_000,
  banMs: 600_000,
  banPenalty: 100,
  forgetMs: 600_000,
  maxMembers: 256,
  maxErrands: 64,
  maxTickMs: 1_000,
}) satisfies Omit<MembershipSettings, 'mesh' | 'version'>;

export const isUp = ({ state }: Member): boolean => MEMBER_STATES[state].isUp;
/** Nothing it says counts until it connects anew. */
export const isClosed = ({ state }: Member): boolean => MEMBER_STATES[state].isClosed;
