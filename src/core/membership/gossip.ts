/**
 * How everybody comes to know what everybody says of itself. Neighbours tell each other what is news to them, once, with
 * the next beat; now and then two members compare all they know. Only members that introduced themselves are told about
 * by others, and only as the run and with the name, version and mesh they introduced themselves with.
 */
import type { PeerId } from '../ids.ts';
import { reasserted, type Heartbeat } from './heartbeat.ts';
import { isUp, type Member } from './member.ts';
import { fitting, MAX_SUSPICIONS, type Beat, type Digest, type Suspicion, type Told } from './messages.ts';
import {
  enter,
  isReachable,
  isUsable,
  listeners,
  withMembers,
  type MembershipEffect,
  type MembershipState,
  type MembershipStep,
} from './state.ts';

/** A stamp older than this is not sent back: clocks run at different speeds. */
const MAX_HELD_MS = 10_000;
/** Round trips beyond this are none. */
const MAX_ROUND_TRIP_MS = 60_000;

const toldWhole = (peer: PeerId, heartbeat: Heartbeat): Told => ({ kind: 'heartbeat', peer, heartbeat });

function toldLoad(peer: PeerId, heartbeat: Heartbeat): Told {
  const { startedAtMs, sequence, profileSequence } = heartbeat;
  const { queueDepth, activeRequests, cpuPercent, memoryBytes } = heartbeat;
  const load = { queueDepth, activeRequests, cpuPercent, memoryBytes };
  return { kind: 'load', peer, startedAtMs, sequence, profileSequence, load };
}

/** What is news to a member, oldest first, and the count up to which it then knows all. */
function newsFor(state: MembershipState, { peer, toldRevision }: Member): readonly [readonly Told[], number] {
  const { self, local, localRevision, localProfileRevision } = state;
  const known = [
    { peer: self, heartbeat: local, toldBy: null, revision: localRevision, profileRevision: localProfileRevision },
    ...[...state.members.values()].filter(isUsable),
  ];
  const news = known
    .filter((one) => one.revision > toldRevision && one.peer !== peer && one.toldBy !== peer)
    .sort((a, b) => a.revision - b.revision);
  const told = fitting(
    news.flatMap(({ peer: about, heartbeat, profileRevision }) =>
      heartbeat === null
        ? []
        : [profileRevision > toldRevision ? toldWhole(about, heartbeat) : toldLoad(about, heartbeat)],
    ),
  );
  return [told, told.length < news.length ? news[told.length - 1]!.revision : state.revision];
}

const suspicionsOf = (members: ReadonlyMap<PeerId, Member>): readonly Suspicion[] =>
  [...members.values()]
    .flatMap((member) => (member.state === 'suspect' && member.isConnected ? suspicionOf(member) : []))
    .slice(0, MAX_SUSPICIONS);

/** The run of a member as it is known. */
export const suspicionOf = ({ peer, heartbeat }: Member): readonly Suspicion[] =>
  heartbeat === null ? [] : [{ peer, startedAtMs: heartbeat.startedAtMs, incarnation: heartbeat.incarnation }];

/** A beat to everybody in `to`, about oneself or about who is suspected. */
export const openBeat = (
  { local, self }: Pick<MembershipState, 'local' | 'self'>,
  nowMs: number,
  suspicions: readonly Suspicion[] = [],
): Beat => ({
  kind: 'beat',
  isWatching: false,
  sentMs: nowMs,
  echo: null,
  told: suspicions.length > 0 ? [] : [toldWhole(self, local)],
  suspicions,
});

/** Beats to these members, each with what is news to it. */
export function sendBeats(state: MembershipState, to: readonly Member[], nowMs: number): MembershipStep {
  const suspicions = suspicionsOf(state.members);
  const told: Member[] = [];
  const effects = to.map((member): MembershipEffect => {
    const [news, toldRevision] = newsFor(state, member);
    told.push({ ...member, toldRevision });
    const { peer, stamp, isNeighbour } = member;
    const isRecent = stamp !== null && nowMs - stamp.atMs <= MAX_HELD_MS;
    const echo = isRecent ? { sentMs: stamp.sentMs, heldMs: nowMs - stamp.atMs } : null;
    const message: Beat = { kind: 'beat', isWatching: isNeighbour, sentMs: nowMs, echo, told: news, suspicions };
    return { kind: 'send', to: [peer], message };
  });
  return [withMembers(state, ...told), effects];
}

/** Tells everybody at once what this peer says of itself. */
export const announce = (state: MembershipState, nowMs: number): MembershipEffect => ({
  kind: 'send',
  to: listeners(state.members),
  message: openBeat(state, nowMs),
});

/** A round trip that took from `sentMs` to now, less what the other end held it back. */
export function observeRoundTrip(member: Member, sentMs: number, heldMs: number, nowMs: number): Member {
  const tookMs = nowMs - sentMs - heldMs;
  if (!(tookMs >= 0 && tookMs <= MAX_ROUND_TRIP_MS && heldMs >= 0)) return member;
  return { ...member, rttMs: member.rttMs === null ? tookMs : 0.75 * member.rttMs + 0.25 * tookMs };
}

/** The heartbeat that something told makes of the one known; null when it is not newer or of another run. */
function newerHeartbeat(known: Heartbeat, told: Told): Heartbeat | null {
  if (told.kind === 'load') {
    const isNext =
      told.startedAtMs === known.startedAtMs &&
      told.sequence > known.sequence &&
      told.profileSequence === known.profileSequence;
    return isNext ? { ...known, ...told.load, sequence: told.sequence } : null;
  }
  const { heartbeat } = told;
  const isOfRun =
    heartbeat.startedAtMs === known.startedAtMs && heartbeat.mesh === known.mesh && heartbeat.version === known.version;
  return isOfRun && heartbeat.sequence > known.sequence ? heartbeat : null;
}

/** A member of which another heartbeat is known by now. */
export function noteHeartbeat(member: Member, heartbeat: Heartbeat, toldBy: PeerId | null, revision: number): Member {
  const isProfile = member.heartbeat?.profileSequence !== heartbeat.profileSequence;
  const profileRevision = isProfile ? revision : member.profileRevision;
  return { ...member, heartbeat, toldBy, revision, profileRevision };
}

/** Somebody told of others, or of this peer. */
export function learn(state: MembershipState, from: PeerId, told: readonly Told[], nowMs: number): MembershipStep {
  let { revision, local } = state;
  const changed: Member[] = [];
  for (const one of told) {
    if (one.peer === state.self) {
      local = corrected(local, one);
      continue;
    }
    const member = state.members.get(one.peer);
    if (member?.heartbeat == null || !member.isIntroduced || !isReachable(member)) continue;
    const heartbeat = newerHeartbeat(member.heartbeat, one);
    if (heartbeat === null) continue;
    const noted = noteHeartbeat(member, heartbeat, from, ++revision);
    // Whether it is up is decided by its own words.
    const isStill = isUsable(noted) && heartbeat.state !== 'joining';
    changed.push(isStill ? enter(noted, heartbeat.state, nowMs) : noted);
  }
  const next = { ...withMembers(state, ...changed), revision };
  return local === state.local ? [next, []] : adopt(next, local, nowMs);
}

/** Others know of something later than this peer has said: what it says now must count as later still. */
function corrected(local: Heartbeat, told: Told): Heartbeat {
  const { startedAtMs, sequence } = told.kind === 'load' ? told : told.heartbeat;
  return startedAtMs === local.startedAtMs && sequence > local.sequence ? reasserted(local, { sequence }) : local;
}

/** Says something else of oneself from now on, to everybody at once. */
export function adopt(state: MembershipState, local: Heartbeat, nowMs: number): MembershipStep {
  const revision = state.revision + 1;
  const next = { ...state, local, revision, localRevision: revision, localProfileRevision: revision };
  return [next, [announce(next, nowMs)]];
}

export function digestOf(state: MembershipState, isReply: boolean, nowMs: number): Digest {
  const entries = [
    { peer: state.self, heartbeat: state.local },
    ...[...state.members.values()].filter((member) => isUp(member) && member.isIntroduced),
  ].flatMap(({ peer, heartbeat }) =>
    heartbeat === null ? [] : [{ peer, startedAtMs: heartbeat.startedAtMs, sequence: heartbeat.sequence }],
  );
  return { kind: 'digest', sentMs: nowMs, isReply, entries };
}

/** Answers a digest with what is newer here, and with a digest when something is newer there. */
export function compare(state: MembershipState, member: Member, digest: Digest, nowMs: number): MembershipStep {
  const theirs = new Map(digest.entries.map((entry) => [entry.peer, entry]));
  const known = [{ peer: state.self, heartbeat: state.local }, ...[...state.members.values()].filter(isUsable)];
  const told: Told[] = [];
  let isBehind = false;
  for (const { peer, heartbeat } of known) {
    const entry = theirs.get(peer);
    if (heartbeat === null || peer === member.peer) continue;
    if (entry?.startedAtMs !== heartbeat.startedAtMs || entry.sequence < heartbeat.sequence) {
      told.push(toldWhole(peer, heartbeat));
    } else isBehind ||= entry.sequence > heartbeat.sequence;
  }
  const entry = theirs.get(member.peer);
  isBehind ||= (entry?.sequence ?? 0) > (member.heartbeat?.sequence ?? 0);
  const to = [member.peer];
  const echo = { sentMs: digest.sentMs, heldMs: 0 };
  const answer: Beat = {
    kind: 'beat',
    isWatching: member.isNeighbour,
    sentMs: nowMs,
    echo,
    told: fitting(told),
    suspicions: suspicionsOf(state.members),
  };
  const effects: MembershipEffect[] = [{ kind: 'send', to, message: answer }];
  if (isBehind && !digest.isReply) effects.push({ kind: 'send', to, message: digestOf(state, true, nowMs) });
  return [state, effects];
}
