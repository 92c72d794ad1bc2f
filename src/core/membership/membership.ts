/**
 * Who is a member, as a pure step function: connections, messages and the clock in, a list of members and things to do
 * out. Two kinds of evidence: a closed connection (a killed process shows within milliseconds) and silence (a frozen one
 * shows within seconds, see `watch.ts`). Each peer decides for itself whom it sees; nobody votes.
 *
 * What others are told about a peer is a sequence `up (lost up)* [lost] down`, over and over.
 */
import { hash32 } from '../hash.ts';
import type { PeerId } from '../ids.ts';
import { expectedArrivals, observeArrival, observeLateness } from './arrival.ts';
import { adopt, compare, digestOf, learn, noteHeartbeat, observeRoundTrip, openBeat, sendBeats } from './gossip.ts';
import { incompatibility, revised, type Heartbeat, type HeartbeatChanges } from './heartbeat.ts';
import { isClosed, isUp, type Member, type MembershipSettings } from './member.ts';
import type { Beat, HealthMessage } from './messages.ts';
import {
  close,
  enter,
  isReachable,
  isUsable,
  withMembers,
  type Change,
  type MembershipEffect,
  type MembershipState,
  type MembershipStep,
} from './state.ts';
import {
  acknowledge,
  age,
  arrangeRing,
  believe,
  doubt,
  probeSilent,
  runErrand,
  sweep,
  tellSuspicions,
  touch,
} from './watch.ts';

export type { DownReason, MembershipEffect, MembershipState, MembershipStep } from './state.ts';

export type MembershipEvent =
  /** A connection opened; there may be others. */
  | { readonly kind: 'connected'; readonly peer: PeerId }
  /** The last connection closed. */
  | { readonly kind: 'disconnected'; readonly peer: PeerId }
  | { readonly kind: 'message'; readonly peer: PeerId; readonly message: HealthMessage }
  /** A message of another protocol: a sign of life. */
  | { readonly kind: 'heard'; readonly peer: PeerId }
  /** Somebody here waits for the peer longer than can be explained. */
  | { readonly kind: 'doubt'; readonly peer: PeerId }
  /** The peer broke a rule. `penalty` adds up; it halves every minute. */
  | { readonly kind: 'violation'; readonly peer: PeerId; readonly penalty: number; readonly detail: string }
  /** What this peer says of itself. A change of state is told to everybody at once, the rest from neighbour to neighbour. */
  | { readonly kind: 'local'; readonly changes: HeartbeatChanges }
  /** Some four times a second. */
  | { readonly kind: 'tick' };

const PENALTY_HALF_LIFE_MS = 60_000;
/** A peer that waits for our beats has said so with one of its last two. */
const WATCHED_BEATS = 2.5;

export const beginMembership = (
  settings: MembershipSettings,
  self: PeerId,
  local: Heartbeat,
  nowMs: number,
): MembershipState => ({
  settings,
  self,
  local,
  members: new Map(),
  revision: 1,
  localRevision: 1,
  localProfileRevision: 1,
  count: 1,
  errands: new Map(),
  lastTickMs: nowMs,
  lateMs: 0,
  nextBeatMs: nowMs,
  nextExchangeMs: nowMs + settings.exchangeMs,
  sweptMs: nowMs,
});

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

function connect(peer: PeerId, member: Member | undefined, state: MembershipState, nowMs: number): Change {
  const { settings } = state;
  const hello: MembershipEffect = { kind: 'send', to: [peer], message: openBeat(state, nowMs) };
  if (member !== undefined && isShutOut(member, nowMs, settings)) {
    return member.state === 'banned'
      ? [member, [{ kind: 'disconnect', peer }]]
      : [{ ...member, isConnected: true, heardMs: nowMs }, [hello]];
  }
  if (member !== undefined && !isClosed(member)) {
    return [{ ...member, isConnected: true, dueSinceMs: member.dueSinceMs ?? nowMs }, [hello]];
  }
  const joining: Member = {
    peer,
    state: 'joining',
    sinceMs: nowMs,
    isConnected: true,
    isIntroduced: false,
    isNeighbour: false,
    watchedByMs: null,
    heardMs: nowMs,
    dueSinceMs: null,
    doubtedMs: null,
    beatMs: nowMs,
    arrivals: expectedArrivals(settings.heartbeatMs),
    probe: null,
    heartbeat: null,
    toldBy: null,
    revision: 0,
    profileRevision: 0,
    toldRevision: state.revision,
    stamp: null,
    rttMs: null,
    penalty: member?.penalty ?? 0,
    penaltyMs: member?.penaltyMs ?? nowMs,
    detail: null,
  };
  return [joining, [hello]];
}

function disconnect(member: Member, nowMs: number): Change {
  const { peer } = member;
  if (!member.isConnected) return [member, []];
  const gone: Member = { ...member, isConnected: false, isIntroduced: false, isNeighbour: false, watchedByMs: null };
  if (isClosed(gone)) return [gone, []];
  const silent: Member = { ...gone, dueSinceMs: null, doubtedMs: null, probe: null, stamp: null };
  const redial: MembershipEffect = { kind: 'redial', peer };
  if (!isUp(silent)) return [enter(silent, 'failed', nowMs), [redial]];
  const lost: readonly MembershipEffect[] = isUsable(silent) ? [{ kind: 'lost', peer, cause: 'disconnected' }] : [];
  return [{ ...silent, state: 'suspect', sinceMs: nowMs }, [...lost, redial]];
}

/** A peer says of itself. */
function introduce(member: Member, heartbeat: Heartbeat, state: MembershipState, nowMs: number): Change {
  const { settings } = state;
  const { peer, heartbeat: before } = member;
  const reason = incompatibility(settings, heartbeat);
  if (reason !== null) return shutOut(member, 'incompatible', reason, nowMs, settings);
  const isSameRun = before === null || before.startedAtMs === heartbeat.startedAtMs;
  const isStale = before !== null && isSameRun && heartbeat.sequence < before.sequence;
  const known = isStale ? before : heartbeat;
  const effects: MembershipEffect[] = [];
  const wasUsable = isUsable(member);
  if (!isSameRun && wasUsable) effects.push({ kind: 'lost', peer, cause: 'restarted' });
  // A peer that was up does not go back to joining: it takes nothing new, like one that drains.
  const next = known.state === 'joining' && isUp(member) ? 'draining' : known.state;
  if (next !== 'joining' && (!wasUsable || !isSameRun)) effects.push({ kind: 'up', peer });
  const introduced = { ...enter(member, next, nowMs), isIntroduced: true };
  const isNews = before === null || !isSameRun || heartbeat.sequence > before.sequence;
  return [isNews ? noteHeartbeat(introduced, heartbeat, null, state.revision + 1) : introduced, effects];
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

function hearBeat(state: MembershipState, before: Member, beat: Beat, nowMs: number): MembershipStep {
  const { peer } = before;
  const effects: MembershipEffect[] = [];
  let member: Member = {
    ...before,
    stamp: { sentMs: beat.sentMs, atMs: nowMs },
    watchedByMs: beat.isWatching ? nowMs : before.watchedByMs,
    beatMs: nowMs,
    arrivals: before.isNeighbour ? observeArrival(before.arrivals, nowMs - before.beatMs) : before.arrivals,
  };
  if (beat.echo !== null) member = observeRoundTrip(member, beat.echo.sentMs, beat.echo.heldMs, nowMs);
  const own = beat.told.find((told) => told.peer === peer);
  if (own?.kind === 'heartbeat') {
    let said: readonly MembershipEffect[];
    [member, said] = introduce(member, own.heartbeat, state, nowMs);
    effects.push(...said);
  }
  let next: MembershipState = { ...withMembers(state, member), revision: state.revision + 1 };
  if (isClosed(member)) return [next, effects];
  // How far away it is: asked once, and seen from beats of neighbours and from exchanges later.
  const isFirst = member.isIntroduced && member.rttMs === null && !before.isIntroduced;
  if (isFirst) effects.push({ kind: 'send', to: [peer], message: { kind: 'probe', nonce: 0, sentMs: nowMs } });
  const others = beat.told.filter((told) => told !== own || told.kind === 'load');
  const steps = [
    () => learn(next, peer, others, nowMs),
    ...beat.suspicions.map((suspicion) => () => believe(next, peer, suspicion, nowMs)),
  ];
  for (const step of steps) {
    let said: readonly MembershipEffect[];
    [next, said] = step();
    effects.push(...said);
  }
  return [next, effects];
}

/** A message of somebody who is connected and not closed: a sign of life, whatever it says. */
function hear(state: MembershipState, silent: Member, message: HealthMessage, nowMs: number): MembershipStep {
  const { peer } = silent;
  if (message.kind === 'goodbye') {
    const [member, effects] = close(silent, 'left', nowMs);
    return [withMembers(state, member), effects];
  }
  const [member, effects] = touch(silent, nowMs);
  const heard = withMembers(state, member);
  const after = ([next, said]: MembershipStep): MembershipStep => [next, [...effects, ...said]];
  switch (message.kind) {
    case 'beat':
      return after(hearBeat(heard, member, message, nowMs));
    case 'probe': {
      const { nonce, sentMs } = message;
      return after([heard, [{ kind: 'send', to: [peer], message: { kind: 'ack', nonce, about: null, sentMs } }]]);
    }
    case 'ask':
      return after(runErrand(heard, peer, message, nowMs));
    case 'ack': {
      const measured = message.about === null ? observeRoundTrip(member, message.sentMs, 0, nowMs) : member;
      return after(acknowledge(withMembers(heard, measured), peer, message, nowMs));
    }
    case 'digest':
      return after(compare(heard, member, message, nowMs));
  }
}

/** Beats to those that wait for them, and to whoever has not said yet who it is the question who it is. */
function beat(state: MembershipState, nowMs: number): MembershipStep {
  const { settings, nextBeatMs } = state;
  if (nowMs < nextBeatMs) return [state, []];
  const onTimeMs = nextBeatMs + settings.heartbeatMs;
  const due = { ...state, nextBeatMs: onTimeMs > nowMs ? onTimeMs : nowMs + settings.heartbeatMs };
  const reachable = [...state.members.values()].filter(isReachable);
  const isWaiting = ({ isNeighbour, watchedByMs }: Member): boolean =>
    isNeighbour || (watchedByMs !== null && nowMs - watchedByMs < WATCHED_BEATS * settings.heartbeatMs);
  const [next, beats] = sendBeats(
    due,
    reachable.filter((member) => member.isIntroduced && isWaiting(member)),
    nowMs,
  );
  const strangers = reachable.filter(
    ({ isIntroduced, sinceMs }) => !isIntroduced && nowMs - sinceMs >= settings.heartbeatMs,
  );
  if (strangers.length === 0) return [next, beats];
  const to = strangers.map(({ peer }) => peer);
  return [next, [...beats, { kind: 'send', to, message: digestOf(next, false, nowMs) }]];
}

/** Compares all that is known with somebody, another each time. */
function exchange(state: MembershipState, nowMs: number): MembershipStep {
  const { settings, nextExchangeMs, self, count } = state;
  if (nowMs < nextExchangeMs) return [state, []];
  const draw = hash32(`${self} ${count}`);
  // Spread out, or all that started together would go on together.
  const pauseMs = settings.exchangeMs * (0.75 + (draw % 1024) / 2048);
  const next = { ...state, count: count + 1, nextExchangeMs: nowMs + pauseMs };
  const others = [...state.members.values()].filter((member) => isUsable(member) && member.isIntroduced);
  if (others.length === 0) return [next, []];
  const { peer } = others[draw % others.length]!;
  return [next, [{ kind: 'send', to: [peer], message: digestOf(next, false, nowMs) }]];
}

function tick(state: MembershipState, nowMs: number): MembershipStep {
  const { settings } = state;
  const elapsedMs = nowMs - state.lastTickMs;
  const pauseMs = Math.max(0, elapsedMs - settings.maxTickMs);
  const later = (ms: number): number => Math.min(nowMs, ms + pauseMs);
  const lateMs = observeLateness(state.lateMs, Math.max(0, elapsedMs - pauseMs - settings.tickMs));
  const aging = { ...state, lateMs };
  const members = new Map<PeerId, Member>();
  const effects: MembershipEffect[] = [];
  for (const member of state.members.values()) {
    const patient =
      pauseMs === 0 || isClosed(member)
        ? member
        : {
            ...member,
            heardMs: later(member.heardMs),
            beatMs: later(member.beatMs),
            sinceMs: later(member.sinceMs),
            dueSinceMs: member.dueSinceMs === null ? null : later(member.dueSinceMs),
            doubtedMs: member.doubtedMs === null ? null : later(member.doubtedMs),
          };
    const [next, asked] = age(patient, aging, nowMs);
    if (!isClosed(next) || next.isConnected || nowMs - next.sinceMs < keptMs(next, settings))
      members.set(next.peer, next);
    effects.push(...asked);
  }
  const aged: MembershipState = { ...aging, members, lastTickMs: nowMs };
  let next = withoutOldErrands(aged, nowMs);
  for (const step of [
    () => tellSuspicions(state, next, nowMs),
    () => arrangeRing(next, nowMs),
    () => probeSilent(next, nowMs),
    () => sweep(next, nowMs),
    () => beat(next, nowMs),
    () => exchange(next, nowMs),
  ]) {
    let said: readonly MembershipEffect[];
    [next, said] = step();
    effects.push(...said);
  }
  return [next, effects];
}

function withoutOldErrands(state: MembershipState, nowMs: number): MembershipState {
  const errands = [...state.errands].filter(([, { atMs }]) => nowMs - atMs < state.settings.maxSuspectMs);
  return errands.length === state.errands.size ? state : { ...state, errands: new Map(errands) };
}

const keptMs = (member: Member, settings: MembershipSettings): number =>
  member.state === 'banned' ? Math.max(settings.banMs, settings.forgetMs) : settings.forgetMs;

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

/** Who failed for the same reason as one that came back may be back, too. */
const redialFailed = ({ members }: MembershipState): readonly MembershipEffect[] =>
  [...members.values()].flatMap(({ state, peer, isConnected }) =>
    state === 'failed' && !isConnected ? [{ kind: 'redial', peer }] : [],
  );

function join(state: MembershipState, peer: PeerId, nowMs: number): MembershipStep {
  const member = state.members.get(peer);
  const room = member === undefined ? makeRoom(state) : state;
  if (room === null) return [state, [{ kind: 'disconnect', peer }]];
  const [next, effects] = connect(peer, member, state, nowMs);
  const joined = withMembers(room, next);
  return [joined, member?.state === 'failed' ? [...effects, ...redialFailed(joined)] : effects];
}

function change(state: MembershipState, changes: HeartbeatChanges, nowMs: number): MembershipStep {
  const local = revised(state.local, changes);
  if (local === state.local) return [state, []];
  if (local.state !== state.local.state) return adopt(state, local, nowMs);
  const revision = state.revision + 1;
  const isProfile = local.profileSequence !== state.local.profileSequence;
  const localProfileRevision = isProfile ? revision : state.localProfileRevision;
  return [{ ...state, local, revision, localRevision: revision, localProfileRevision }, []];
}

/** What the event makes of the state, and what is to be done. `nowMs` never runs backwards. */
export function stepMembership(state: MembershipState, event: MembershipEvent, nowMs: number): MembershipStep {
  if (event.kind === 'tick') return tick(state, nowMs);
  if (event.kind === 'local') return change(state, event.changes, nowMs);
  const { settings, members } = state;
  const { peer } = event;
  if (event.kind === 'connected') return join(state, peer, nowMs);
  const member = members.get(peer);
  if (member === undefined) return [state, []];
  const set = ([next, effects]: Change): MembershipStep => [withMembers(state, next), effects];
  switch (event.kind) {
    case 'disconnected':
      return set(disconnect(member, nowMs));
    case 'message':
      return isReachable(member) ? hear(state, member, event.message, nowMs) : [state, []];
    case 'heard':
      return !isReachable(member) || (member.doubtedMs === null && nowMs - member.heardMs < settings.hearAgainMs)
        ? [state, []]
        : set(touch(member, nowMs));
    case 'doubt':
      return doubt(state, member, nowMs);
    case 'violation':
      return set(penalise(member, event, nowMs, settings));
  }
}
