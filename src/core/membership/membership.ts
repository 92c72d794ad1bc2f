/**
 * Who is a member, as a pure step function: connections, heartbeats and the clock in, a list of members and things to do
 * out. Two kinds of evidence: a closed connection (a killed process shows within milliseconds) and silence (a frozen one
 * shows within seconds, see `arrival.ts`). Each peer decides for itself whom it sees; nobody votes.
 *
 * What others are told about a peer is a sequence `up (lost up)* [lost] down`, over and over.
 */
import type { PeerId } from '../ids.ts';
import { expectedArrivals, failAfterMs, observeArrival, suspectAfterMs } from './arrival.ts';
import { incompatibility, type Heartbeat } from './heartbeat.ts';
import { isClosed, isUp, type Member, type MembershipSettings, type MemberState } from './member.ts';

export interface MembershipState {
  readonly settings: MembershipSettings;
  readonly members: ReadonlyMap<PeerId, Member>;
  readonly lastTickMs: number;
  readonly nextHeartbeatMs: number;
}

export type MembershipEvent =
  /** A connection opened; there may be others. */
  | { readonly kind: 'connected'; readonly peer: PeerId }
  /** The last connection closed. */
  | { readonly kind: 'disconnected'; readonly peer: PeerId }
  | { readonly kind: 'heartbeat'; readonly peer: PeerId; readonly heartbeat: Heartbeat }
  /** A message of another protocol: a sign of life. */
  | { readonly kind: 'heard'; readonly peer: PeerId }
  | { readonly kind: 'goodbye'; readonly peer: PeerId }
  /** The peer broke a rule. `penalty` adds up; it halves every minute. */
  | { readonly kind: 'violation'; readonly peer: PeerId; readonly penalty: number; readonly detail: string }
  /** What this peer says of itself changed and should be known now. */
  | { readonly kind: 'announce' }
  /** Some four times a second. */
  | { readonly kind: 'tick' };

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
  | { readonly kind: 'sendHeartbeat'; readonly to: readonly PeerId[] };

export type MembershipStep = readonly [MembershipState, readonly MembershipEffect[]];

/** One member after the event, and what is to be done. */
type Change = readonly [Member, readonly MembershipEffect[]];

const PENALTY_HALF_LIFE_MS = 60_000;

export const beginMembership = (settings: MembershipSettings, nowMs: number): MembershipState => ({
  settings,
  members: new Map(),
  lastTickMs: nowMs,
  nextHeartbeatMs: nowMs,
});

const enter = (member: Member, state: MemberState, nowMs: number): Member =>
  member.state === state ? member : { ...member, state, sinceMs: nowMs };

/** The end of a member's time, until it connects anew. */
function close(member: Member, reason: DownReason, nowMs: number): Change {
  const { peer } = member;
  return [enter(member, reason, nowMs), isUp(member) ? [{ kind: 'down', peer, reason }] : []];
}

/** Closed and kept out for a while: a banned peer now, an incompatible one once it has heard why. */
function shutOut(
  member: Member,
  reason: 'incompatible' | 'banned',
  detail: string,
  nowMs: number,
  settings: MembershipSettings,
): Change {
  const [closed, effects] = close(member, reason, nowMs);
  const { peer } = member;
  if (reason === 'incompatible') {
    return [
      { ...closed, heardMs: nowMs, detail },
      [...effects, { kind: 'avoid', peer, forMs: settings.incompatibleMs, detail }],
    ];
  }
  return [
    { ...closed, isConnected: false, detail },
    [...effects, { kind: 'avoid', peer, forMs: settings.banMs, detail }, { kind: 'disconnect', peer }],
  ];
}

const isShutOut = ({ state, sinceMs }: Member, nowMs: number, settings: MembershipSettings): boolean =>
  (state === 'banned' && nowMs - sinceMs < settings.banMs) ||
  (state === 'incompatible' && nowMs - sinceMs < settings.incompatibleMs);

function connect(peer: PeerId, member: Member | undefined, nowMs: number, settings: MembershipSettings): Change {
  const hello: MembershipEffect = { kind: 'sendHeartbeat', to: [peer] };
  if (member !== undefined && isShutOut(member, nowMs, settings)) {
    return member.state === 'banned'
      ? [member, [{ kind: 'disconnect', peer }]]
      : [{ ...member, isConnected: true, heardMs: nowMs }, [hello]];
  }
  if (member !== undefined && !isClosed(member)) return [{ ...member, isConnected: true }, [hello]];
  const joining: Member = {
    peer,
    state: 'joining',
    sinceMs: nowMs,
    isConnected: true,
    heardMs: nowMs,
    beatMs: nowMs,
    heartbeat: null,
    arrivals: expectedArrivals(settings.heartbeatMs),
    penalty: member?.penalty ?? 0,
    penaltyMs: member?.penaltyMs ?? nowMs,
    detail: null,
  };
  return [joining, [hello]];
}

function disconnect(member: Member, nowMs: number): Change {
  const { peer } = member;
  if (!member.isConnected) return [member, []];
  const gone = { ...member, isConnected: false };
  if (isClosed(gone)) return [gone, []];
  const redial: MembershipEffect = { kind: 'redial', peer };
  if (!isUp(gone)) return [enter(gone, 'failed', nowMs), [redial]];
  const lost: readonly MembershipEffect[] =
    gone.state === 'suspect' ? [] : [{ kind: 'lost', peer, cause: 'disconnected' }];
  return [{ ...gone, state: 'suspect', sinceMs: nowMs }, [...lost, redial]];
}

function hear(member: Member, heartbeat: Heartbeat, nowMs: number, settings: MembershipSettings): Change {
  const { peer, heartbeat: before } = member;
  if (isClosed(member) || !member.isConnected) return [member, []];
  const reason = incompatibility(settings, heartbeat);
  if (reason !== null) return shutOut(member, 'incompatible', reason, nowMs, settings);
  const isSameRun = before === null || before.startedAtMs === heartbeat.startedAtMs;
  if (before !== null && isSameRun && heartbeat.sequence <= before.sequence) return [member, []];
  const wasUsable = isUp(member) && member.state !== 'suspect';
  const effects: MembershipEffect[] = [];
  if (!isSameRun && wasUsable) effects.push({ kind: 'lost', peer, cause: 'restarted' });
  // A peer that was up does not go back to joining: it takes nothing new, like one that drains.
  const state = heartbeat.state === 'joining' && isUp(member) ? 'draining' : heartbeat.state;
  if (state !== 'joining' && (!wasUsable || !isSameRun)) effects.push({ kind: 'up', peer });
  const arrivals = before === null ? member.arrivals : observeArrival(member.arrivals, nowMs - member.beatMs);
  return [{ ...enter(member, state, nowMs), heardMs: nowMs, beatMs: nowMs, heartbeat, arrivals }, effects];
}

function penalise(
  member: Member,
  { penalty, detail }: { readonly penalty: number; readonly detail: string },
  nowMs: number,
  settings: MembershipSettings,
): Change {
  if (isShutOut(member, nowMs, settings)) return [member, []];
  const left = member.penalty * 2 ** ((member.penaltyMs - nowMs) / PENALTY_HALF_LIFE_MS);
  const total = { ...member, penalty: left + penalty, penaltyMs: nowMs };
  return total.penalty < settings.banPenalty ? [total, []] : shutOut(total, 'banned', detail, nowMs, settings);
}

/** What the clock alone does to a member. */
function age(member: Member, nowMs: number, settings: MembershipSettings): Change {
  const { peer, arrivals } = member;
  const inStateMs = nowMs - member.sinceMs;
  const silentMs = nowMs - member.heardMs;
  if (isClosed(member)) {
    const isOverdue = member.state === 'incompatible' && member.isConnected && silentMs >= settings.farewellMs;
    return isOverdue ? [{ ...member, isConnected: false }, [{ kind: 'disconnect', peer }]] : [member, []];
  }
  if (member.state === 'joining') {
    const limitMs = member.heartbeat === null ? settings.introductionMs : failAfterMs(arrivals, settings);
    if (silentMs < limitMs) return [member, []];
  } else if (silentMs < failAfterMs(arrivals, settings)) {
    if (!member.isConnected && inStateMs >= settings.reconnectMs) return close(member, 'failed', nowMs);
    if (member.state === 'suspect' || silentMs < suspectAfterMs(arrivals, settings)) return [member, []];
    return [enter(member, 'suspect', nowMs), [{ kind: 'lost', peer, cause: 'silent' }]];
  }
  const [failed, effects] = close(member, 'failed', nowMs);
  const lost: readonly MembershipEffect[] =
    isUp(member) && member.state !== 'suspect' ? [{ kind: 'lost', peer, cause: 'silent' }] : [];
  return [
    { ...failed, isConnected: false },
    [...lost, ...effects, { kind: 'disconnect', peer }, { kind: 'redial', peer }],
  ];
}

function tick(state: MembershipState, nowMs: number): MembershipStep {
  const { settings } = state;
  const pauseMs = Math.max(0, nowMs - state.lastTickMs - settings.maxTickMs);
  const members = new Map<PeerId, Member>();
  const effects: MembershipEffect[] = [];
  for (const member of state.members.values()) {
    const patient =
      pauseMs === 0 || isClosed(member)
        ? member
        : {
            ...member,
            heardMs: Math.min(nowMs, member.heardMs + pauseMs),
            beatMs: Math.min(nowMs, member.beatMs + pauseMs),
            sinceMs: Math.min(nowMs, member.sinceMs + pauseMs),
          };
    const [next, asked] = age(patient, nowMs, settings);
    if (!isClosed(next) || next.isConnected || nowMs - next.sinceMs < keptMs(next, settings))
      members.set(next.peer, next);
    effects.push(...asked);
  }
  const isDue = nowMs >= state.nextHeartbeatMs;
  if (isDue) effects.push({ kind: 'sendHeartbeat', to: listeners(members) });
  const onTimeMs = state.nextHeartbeatMs + settings.heartbeatMs;
  const nextHeartbeatMs = !isDue ? state.nextHeartbeatMs : onTimeMs > nowMs ? onTimeMs : nowMs + settings.heartbeatMs;
  return [{ ...state, members, lastTickMs: nowMs, nextHeartbeatMs }, effects];
}

const keptMs = (member: Member, settings: MembershipSettings): number =>
  member.state === 'banned' ? Math.max(settings.banMs, settings.forgetMs) : settings.forgetMs;

const listeners = (members: ReadonlyMap<PeerId, Member>): readonly PeerId[] =>
  [...members.values()].filter((member) => member.isConnected && !isClosed(member)).map(({ peer }) => peer);

/** Forgets who has been gone longest when the list is full; null when nobody can be forgotten. */
function makeRoom(state: MembershipState): MembershipState | null {
  if (state.members.size < state.settings.maxMembers) return state;
  const [oldest] = [...state.members.values()]
    .filter((member) => isClosed(member) && !member.isConnected && member.state !== 'banned')
    .sort((a, b) => a.sinceMs - b.sinceMs);
  if (oldest === undefined) return null;
  const members = new Map(state.members);
  members.delete(oldest.peer);
  return { ...state, members };
}

/** What the event makes of the state, and what is to be done. `nowMs` never runs backwards. */
export function stepMembership(state: MembershipState, event: MembershipEvent, nowMs: number): MembershipStep {
  if (event.kind === 'tick') return tick(state, nowMs);
  if (event.kind === 'announce') return [state, [{ kind: 'sendHeartbeat', to: listeners(state.members) }]];
  const { settings, members } = state;
  const { peer } = event;
  const member = members.get(peer);
  const set = ([next, effects]: Change): MembershipStep => [
    next === member ? state : { ...state, members: new Map(members).set(peer, next) },
    effects,
  ];
  if (event.kind === 'connected') {
    const room = member === undefined ? makeRoom(state) : state;
    if (room === null) return [state, [{ kind: 'disconnect', peer }]];
    const [next, effects] = connect(peer, member, nowMs, settings);
    return [{ ...room, members: new Map(room.members).set(peer, next) }, effects];
  }
  if (member === undefined) return [state, []];
  switch (event.kind) {
    case 'disconnected':
      return set(disconnect(member, nowMs));
    case 'heartbeat':
      return set(hear(member, event.heartbeat, nowMs, settings));
    case 'heard':
      return isClosed(member) || !member.isConnected || nowMs - member.heardMs < settings.hearAgainMs
        ? [state, []]
        : set([{ ...member, heardMs: nowMs }, []]);
    case 'goodbye':
      return isClosed(member) ? [state, []] : set(close(member, 'left', nowMs));
    case 'violation':
      return set(penalise(member, event, nowMs, settings));
  }
}
