/**
 * Who is silent, and what follows from it (after Das, Gupta, Motivala, "SWIM: Scalable Weakly-consistent Infection-style
 * Process Group Membership Protocol", 2002). A neighbour that misses its beats is probed, by this peer and by others for
 * it; when nobody hears it, it is suspected, and everybody is told. Whoever has heard it a moment ago does not believe
 * that, and it contradicts itself. A suspect that stays silent for as long again has failed. Whoever waits for a peer in the
 * middle of a request need not wait for its next beat: one that is doubted is probed at once, and suspected soon.
 */
import { hash32 } from '../hash.ts';
import type { PeerId } from '../ids.ts';
import { doubtAfterMs, expectedArrivals, failAfterMs, suspectAfterMs } from './arrival.ts';
import { reasserted } from './heartbeat.ts';
import { isClosed, isUp, type Member } from './member.ts';
import type { Ack, Ask, HealthMessage, Suspicion } from './messages.ts';
import { adopt, openBeat, sendBeats, suspicionOf } from './gossip.ts';
import { ringNeighbours } from './ring.ts';
import {
  close,
  enter,
  isReachable,
  isUsable,
  listeners,
  withMembers,
  type Change,
  type MembershipEffect,
  type MembershipState,
  type MembershipStep,
} from './state.ts';

/** So many round trips are waited for an answer: a busy board on a busy machine takes long. */
const ROUND_TRIPS = 4;
/** So many suspects at a time, and it may be more than them: everybody is looked after. */
const SWEEP_SUSPECTS = 2;

const send = (peer: PeerId, message: HealthMessage): MembershipEffect => ({ kind: 'send', to: [peer], message });

/** The member after a word of it that came by itself. */
export function touch(member: Member, nowMs: number): Change {
  const dueSinceMs = member.isNeighbour ? nowMs : null;
  const heard = { ...member, heardMs: nowMs, dueSinceMs, doubtedMs: null, probe: null };
  const { state, isConnected, isIntroduced, heartbeat, peer } = heard;
  if (state !== 'suspect' || !isConnected || !isIntroduced || heartbeat === null) return [heard, []];
  const next = heartbeat.state === 'joining' ? 'draining' : heartbeat.state;
  return [enter(heard, next, nowMs), [{ kind: 'up', peer }]];
}

const silenceMs = ({ dueSinceMs }: Member, nowMs: number): number => (dueSinceMs === null ? 0 : nowMs - dueSinceMs);

/** What the clock alone does to a member. */
export function age(member: Member, state: MembershipState, nowMs: number): Change {
  const { settings, lateMs } = state;
  const { peer, arrivals } = member;
  if (isClosed(member)) {
    const isOverdue =
      member.state === 'incompatible' && member.isConnected && nowMs - member.heardMs >= settings.farewellMs;
    return isOverdue ? [{ ...member, isConnected: false }, [{ kind: 'disconnect', peer }]] : [member, []];
  }
  const silentMs = silenceMs(member, nowMs);
  const isStrange = member.heartbeat === null && nowMs - member.sinceMs >= settings.introductionMs;
  if (!isStrange && silentMs < failAfterMs(arrivals, settings, lateMs)) {
    const isGone = !member.isConnected && nowMs - member.sinceMs >= settings.reconnectMs;
    if (isGone) return close(member, 'failed', nowMs);
    const isSilent = silentMs >= suspectAfterMs(arrivals, settings, lateMs);
    if (!isUsable(member) || !(isSilent || isDoubtLasting(member, state, nowMs))) return [member, []];
    return [enter(member, 'suspect', nowMs), [{ kind: 'lost', peer, cause: 'silent' }]];
  }
  const [failed, effects] = close(member, 'failed', nowMs);
  const lost: readonly MembershipEffect[] = isUsable(member) ? [{ kind: 'lost', peer, cause: 'silent' }] : [];
  return [
    { ...failed, isConnected: false },
    [...lost, ...effects, { kind: 'disconnect', peer }, { kind: 'redial', peer }],
  ];
}

/**
 * How long an answer of the slowest of these peers may usually take. No less than that of the middle one of all: where all
 * are busy, one that has been quick so far is busy soon.
 */
export function usualWaitMs({ members }: MembershipState, peers: readonly PeerId[]): number {
  const known = [...members.values()].filter(isUsable).flatMap((member) => member.rttMs ?? []);
  const middleMs = known.toSorted((a, b) => a - b)[known.length >> 1] ?? 0;
  return ROUND_TRIPS * Math.max(middleMs, ...peers.map((peer) => members.get(peer)?.rttMs ?? 0));
}

function isDoubtLasting(member: Member, state: MembershipState, nowMs: number): boolean {
  const { doubtedMs, arrivals } = member;
  if (doubtedMs === null) return false;
  const { settings, lateMs } = state;
  const patienceMs = settings.doubtMs + usualWaitMs(state, [member.peer]);
  return nowMs - doubtedMs >= doubtAfterMs(arrivals, settings, patienceMs, lateMs);
}

/** Suspects, and those that are doubted and have not answered yet: they should be given nothing new. */
export function doubtfulMembers(state: MembershipState, nowMs: number): readonly PeerId[] {
  const { members, settings, lateMs } = state;
  const isDoubtful = (member: Member): boolean =>
    member.doubtedMs !== null &&
    nowMs - member.doubtedMs >= settings.doubtfulMs + usualWaitMs(state, [member.peer]) + 4 * lateMs;
  return [...members.values()]
    .filter((member) => member.state === 'suspect' || isDoubtful(member))
    .map(({ peer }) => peer);
}

/** Neighbours as of now; new ones are expected to speak from now on, and told at once that they are. */
export function arrangeRing(state: MembershipState, nowMs: number): MembershipStep {
  const introduced = [...state.members.values()].filter((member) => isReachable(member) && member.isIntroduced);
  const ring = ringNeighbours(
    state.self,
    introduced.map(({ peer }) => peer),
  );
  const changed = [...state.members.values()].filter(({ peer, isNeighbour }) => isNeighbour !== ring.has(peer));
  if (changed.length === 0) return [state, []];
  const { heartbeatMs } = state.settings;
  const next = changed.map((member): Member => {
    if (member.isNeighbour) return { ...member, isNeighbour: false, dueSinceMs: null, doubtedMs: null, probe: null };
    const arrivals = expectedArrivals(heartbeatMs);
    return { ...member, isNeighbour: true, dueSinceMs: member.dueSinceMs ?? nowMs, beatMs: nowMs, arrivals };
  });
  const arranged = withMembers(state, ...next);
  return sendBeats(
    arranged,
    next.filter((member) => member.isNeighbour),
    nowMs,
  );
}

/** Asks a member for a sign of life. */
export function probe(state: MembershipState, member: Member, nowMs: number): MembershipStep {
  const nonce = state.count;
  const probed = { ...member, probe: nonce, dueSinceMs: member.dueSinceMs ?? nowMs };
  const message: HealthMessage = { kind: 'probe', nonce, sentMs: nowMs };
  return [{ ...withMembers(state, probed), count: nonce + 1 }, [send(member.peer, message)]];
}

/** Probes silent neighbours, with the help of others. */
export function probeSilent(state: MembershipState, nowMs: number): MembershipStep {
  let next = state;
  const effects: MembershipEffect[] = [];
  for (const member of state.members.values()) {
    if (!isReachable(member) || !isUsable(member) || member.probe !== null) continue;
    const { settings, lateMs } = state;
    const patienceMs = suspectAfterMs(member.arrivals, settings, lateMs) - settings.probeLeadMs;
    if (silenceMs(member, nowMs) < patienceMs) continue;
    const nonce = next.count;
    let asked: readonly MembershipEffect[];
    [next, asked] = probe(next, member, nowMs);
    effects.push(...asked);
    effects.push(...askOthers(next, member, nonce, false));
  }
  return [next, effects];
}

/** Asks others about a member that was probed under that number. */
const askOthers = (
  state: MembershipState,
  member: Member,
  nonce: number,
  isUrgent: boolean,
): readonly MembershipEffect[] =>
  suspicionOf(member).flatMap((suspicion) => {
    const message: Ask = { kind: 'ask', nonce, isUrgent, ...suspicion };
    return helpersFor(state, member.peer).map((helper) => send(helper, message));
  });

/**
 * Somebody waits for a member: it is probed at once, by others, too. Nothing new about one that is doubted already, or
 * heard within the time that an answer usually takes: where that is long, doubts would only make everybody busier.
 */
export function doubt(state: MembershipState, member: Member, nowMs: number): MembershipStep {
  if (!isReachable(member) || !isUsable(member) || member.doubtedMs !== null) return [state, []];
  if (nowMs - member.heardMs < usualWaitMs(state, [member.peer])) return [state, []];
  const nonce = state.count;
  const [next, asked] = probe(state, { ...member, doubtedMs: nowMs }, nowMs);
  return [next, [...asked, ...askOthers(next, member, nonce, true)]];
}

/** Members that can look after another, in an order that changes from time to time. */
function helpersFor({ members, count, settings }: MembershipState, about: PeerId): readonly PeerId[] {
  const order = (peer: PeerId): number => hash32(peer, count);
  return [...members.values()]
    .filter((member) => member.peer !== about && isUsable(member) && member.probe === null)
    .map(({ peer }) => peer)
    .sort((a, b) => order(a) - order(b))
    .slice(0, settings.helpers);
}

/** Tells everybody whom this peer suspects by itself since `before`. */
export function tellSuspicions(before: MembershipState, after: MembershipState, nowMs: number): MembershipStep {
  const suspected = [...after.members.values()].filter(
    ({ peer, state }) => state === 'suspect' && before.members.get(peer)?.state !== 'suspect',
  );
  if (suspected.length === 0) return [after, []];
  const message = openBeat(after, nowMs, suspected.flatMap(suspicionOf));
  return [after, [{ kind: 'send', to: listeners(after.members), message }]];
}

/** Where several fall silent the network may be cut: probes all that nobody here has heard for a while. */
export function sweep(state: MembershipState, nowMs: number): MembershipStep {
  const { minSuspectMs, maxSuspectMs, heartbeatMs } = state.settings;
  if (nowMs - state.sweptMs < minSuspectMs) return [state, []];
  const isSilent = ({ state: its, sinceMs }: Member): boolean =>
    (its === 'suspect' || its === 'failed') && nowMs - sinceMs <= maxSuspectMs;
  if ([...state.members.values()].filter(isSilent).length < SWEEP_SUSPECTS) return [state, []];
  let next: MembershipState = { ...state, sweptMs: nowMs };
  const effects: MembershipEffect[] = [];
  for (const member of state.members.values()) {
    const isUnwatched = isReachable(member) && isUsable(member) && member.dueSinceMs === null;
    if (!isUnwatched || nowMs - member.heardMs < heartbeatMs) continue;
    let asked: readonly MembershipEffect[];
    [next, asked] = probe(next, member, nowMs);
    effects.push(...asked);
  }
  return [next, effects];
}

/** Another suspects somebody: this peer, which contradicts, or one that is suspected here, too, or doubted where it was just heard. */
export function believe(
  state: MembershipState,
  from: PeerId,
  { peer, startedAtMs, incarnation }: Suspicion,
  nowMs: number,
): MembershipStep {
  const { local, settings, lateMs } = state;
  if (peer === state.self) {
    if (startedAtMs !== local.startedAtMs) return [state, []];
    if (incarnation >= local.incarnation) return adopt(state, reasserted(local, { incarnation }), nowMs);
    return [state, [send(from, openBeat(state, nowMs))]];
  }
  const member = state.members.get(peer);
  if (member?.heartbeat == null || !isReachable(member) || !isUsable(member)) return [state, []];
  if (member.heartbeat.startedAtMs !== startedAtMs || member.heartbeat.incarnation > incarnation) return [state, []];
  const isFresh = nowMs - member.heardMs < settings.freshMs;
  if (isFresh) return member.doubtedMs === null ? probe(state, { ...member, doubtedMs: nowMs }, nowMs) : [state, []];
  const asked = member.probe === null ? probe(state, member, nowMs) : ([state, []] as const);
  const [next, effects] = asked;
  const due = nowMs - suspectAfterMs(member.arrivals, settings, lateMs);
  const probed = next.members.get(peer)!;
  const suspect = enter({ ...probed, dueSinceMs: Math.min(due, probed.dueSinceMs ?? due) }, 'suspect', nowMs);
  return [withMembers(next, suspect), [{ kind: 'lost', peer, cause: 'silent' }, ...effects]];
}

/** Does another the favour of probing somebody. */
export function runErrand(state: MembershipState, from: PeerId, ask: Ask, nowMs: number): MembershipStep {
  const { peer, nonce } = ask;
  const reply = (about: PeerId | null): MembershipStep => [
    state,
    [send(from, { kind: 'ack', nonce, about, sentMs: 0 })],
  ];
  if (peer === state.self) return reply(null);
  const member = state.members.get(peer);
  if (member === undefined || !isUp(member) || !isReachable(member)) return [state, []];
  const isContradicted = member.heartbeat !== null && member.heartbeat.incarnation > ask.incarnation;
  const isFresh = !ask.isUrgent && nowMs - member.heardMs < state.settings.freshMs;
  if (isContradicted || isFresh) return reply(peer);
  if (state.errands.size >= state.settings.maxErrands) return [state, []];
  const errands = new Map(state.errands).set(state.count, { for: from, nonce, about: peer, atMs: nowMs });
  return probe({ ...state, errands }, member, nowMs);
}

/** Somebody answered a probe, or says that another lives. */
export function acknowledge(state: MembershipState, from: PeerId, ack: Ack, nowMs: number): MembershipStep {
  if (ack.about !== null) {
    const member = state.members.get(ack.about);
    const isAwaited = member?.probe === ack.nonce && isUsable(member) && from !== ack.about;
    // Others hear it, so it lives; but who cannot be reached from here for long is of no use here.
    if (!isAwaited || nowMs - member.heardMs >= 2 * state.settings.maxSuspectMs) return [state, []];
    return [withMembers(state, { ...member, probe: null, dueSinceMs: nowMs, doubtedMs: null }), []];
  }
  const errand = state.errands.get(ack.nonce);
  if (errand?.about !== from) return [state, []];
  const errands = new Map(state.errands);
  errands.delete(ack.nonce);
  const answer: Ack = { kind: 'ack', nonce: errand.nonce, about: from, sentMs: 0 };
  return [{ ...state, errands }, [send(errand.for, answer)]];
}
