/**
 * The course of one attempt as its coordinator sees it, as a pure step function: who still prepares, which tiles are out,
 * and what follows from what is heard, silence included. Where some participant may not be prepared, the inputs are held
 * back until all are; otherwise they are handed out at once, and whoever prepares all the same starts later.
 */
import type { ErrorCode } from '../errors.ts';
import type { PeerId } from '../ids.ts';
import { taskKey } from './dataflow.ts';
import type { Plan } from './plan.ts';

export interface Course {
  readonly self: PeerId;
  readonly entry: PeerId;
  readonly participants: ReadonlySet<PeerId>;
  readonly total: number;
  readonly phase: 'preparing' | 'feeding' | 'running' | 'ended';
  /** Those that prepare, as far as is known. */
  readonly unready: ReadonlySet<PeerId>;
  readonly unfinished: ReadonlySet<PeerId>;
  /** Tiles not computed yet and whose they are, by block. */
  readonly open: readonly ReadonlyMap<string, PeerId>[];
  readonly lastSignMs: number;
  /** When the running plan was last seen to get on. */
  readonly lastTileMs: number;
  /** Without a sign for so long while tiles run, those that hold up the rest are planned without. */
  readonly silenceMs: number;
  /** How long it may not get on. */
  readonly standstillMs: number;
}

export type CourseEvent =
  /** The plan is on its way to all participants, or is about to be where nobody is waited for. */
  | { readonly kind: 'assigned' }
  | { readonly kind: 'ready'; readonly peer: PeerId }
  | { readonly kind: 'preparing'; readonly peer: PeerId }
  | { readonly kind: 'missed'; readonly peer: PeerId }
  | { readonly kind: 'finished'; readonly peer: PeerId }
  | {
      readonly kind: 'progress';
      readonly peer: PeerId;
      readonly tiles: readonly { readonly block: number; readonly part: number }[];
    }
  /** The entry has handed out the inputs. */
  | { readonly kind: 'fed' }
  /** A participant or the entry cannot go on, or cannot be reached. */
  | {
      readonly kind: 'failed';
      readonly peer: PeerId;
      readonly code: ErrorCode;
      readonly message: string;
      /** Peer whose loss caused it. */
      readonly lostPeer?: PeerId | undefined;
    }
  | { readonly kind: 'lost'; readonly peer: PeerId }
  | { readonly kind: 'tick' };

/** What is to be done. */
export type Turn =
  /** The entry may hand out the inputs. */
  | { readonly kind: 'feed' }
  | { readonly kind: 'done' }
  /** Plan again without some peers; next time wait until all are ready. */
  | {
      readonly kind: 'replan';
      readonly without: readonly PeerId[];
      readonly reason: Reason;
      /** Who said so of others, or of what reached it; absent where this peer has seen it itself. */
      readonly accuser?: PeerId;
    }
  /** This coordinator cannot answer. */
  | { readonly kind: 'giveUp'; readonly code: ErrorCode; readonly message: string };

/** Why a plan cannot be carried out, for people. */
export type Reason = 'was lost' | 'fell silent' | 'missed pieces' | 'is busy' | { readonly message: string };

export type CourseStep = readonly [Course, Turn | undefined];

/** Nothing heard for this long while some prepare: they are planned without. They say several times a second that they prepare. */
export const PREPARE_SILENCE_MS = 15_000;
/** The same while tiles run: whoever computes or sends says so several times in it, so all that are silent wait for a lost piece. */
export const RUN_SILENCE_MS = 1_500;
/** Or, where boards are slow or much is to be done, so many times what the plan promised: they are late in saying so, too. */
const RUN_SILENCE_PLANS = 3;

/** The same where signs of life come, but no tile is done: whoever owes the earliest is planned without. */
export const STANDSTILL_MS = 30_000;
/** Or, where tiles take longer, so many times the longest of them. */
const STANDSTILL_TILES = 20;

/** @param isAwaited whether the inputs are held back until all are ready. */
export function beginCourse(plan: Plan, self: PeerId, entry: PeerId, isAwaited: boolean, nowMs: number): Course {
  const participants = new Set(plan.participants);
  return {
    self,
    entry,
    participants,
    total: plan.blocks.reduce((sum, { parts }) => sum + parts.length, 0),
    phase: 'preparing',
    unready: isAwaited ? participants : new Set(),
    unfinished: participants,
    open: plan.blocks.map(
      ({ parts }, block) =>
        new Map(parts.map(({ participant }, part) => [taskKey(block, part), plan.participants[participant]!])),
    ),
    lastSignMs: nowMs,
    lastTileMs: nowMs,
    silenceMs: Math.min(PREPARE_SILENCE_MS, Math.max(RUN_SILENCE_MS, RUN_SILENCE_PLANS * plan.predictedMs)),
    standstillMs: Math.max(
      STANDSTILL_MS,
      ...plan.blocks.flatMap(({ parts }) => parts.map(({ predictedMs }) => STANDSTILL_TILES * predictedMs)),
    ),
  };
}

const without = (peers: ReadonlySet<PeerId>, peer: PeerId): ReadonlySet<PeerId> =>
  peers.has(peer) ? new Set([...peers].filter((other) => other !== peer)) : peers;

/** Tiles computed so far. */
export const completedTiles = ({ total, open }: Course): number =>
  total - open.reduce((sum, block) => sum + block.size, 0);

/** Those who owe a tile of the earliest unfinished block: everybody else waits for them. */
export function holdingUp({ open }: Course): readonly PeerId[] {
  const first = open.find((block) => block.size > 0);
  return first === undefined ? [] : [...new Set(first.values())];
}

/** When the next `tick` is due. */
export const nextTickMs = ({ phase, unready, lastSignMs, silenceMs, lastTileMs, standstillMs }: Course): number =>
  phase === 'running' && unready.size === 0
    ? Math.min(lastSignMs + silenceMs, lastTileMs + standstillMs)
    : lastSignMs + PREPARE_SILENCE_MS;

const end = (course: Course, turn: Turn): CourseStep => [{ ...course, phase: 'ended' }, turn];

/** What the event makes of the course, and what is to be done. After the end nothing changes. */
export function stepCourse(course: Course, event: CourseEvent, nowMs: number): CourseStep {
  if (course.phase === 'ended') return [course, undefined];
  switch (event.kind) {
    case 'tick':
      return nowMs >= nextTickMs(course) ? blameSilence(course) : [course, undefined];
    case 'lost':
      return lose(course, event.peer);
    case 'failed':
      return blame(course, event);
    case 'missed':
      return end(course, { kind: 'replan', without: [], reason: 'missed pieces', accuser: event.peer });
    case 'ready':
      // Said again by one that waits, and asks by that whether the attempt is still on: no sign that it gets on.
      if (!course.unready.has(event.peer)) return [course, undefined];
      return settle(hear({ ...course, lastSignMs: nowMs }, event));
    case 'assigned':
    case 'preparing':
    case 'progress':
    case 'finished':
    case 'fed':
      return settle(moving(course, hear({ ...course, lastSignMs: nowMs }, event), nowMs));
  }
}

/** Notes when tiles were done, and counts no time in which they could not be. */
const moving = (before: Course, after: Course, nowMs: number): Course =>
  after.phase !== 'running' ||
  after.unready.size > 0 ||
  completedTiles(after) > completedTiles(before) ||
  before.phase !== 'running'
    ? { ...after, lastTileMs: nowMs }
    : after;

type Sign = Extract<CourseEvent, { kind: 'assigned' | 'ready' | 'preparing' | 'progress' | 'finished' | 'fed' }>;

function hear(course: Course, event: Sign): Course {
  switch (event.kind) {
    case 'assigned':
      return course;
    case 'fed':
      return { ...course, phase: course.phase === 'feeding' ? 'running' : course.phase };
    case 'ready':
      return { ...course, unready: without(course.unready, event.peer) };
    case 'preparing': {
      const isNews = course.unfinished.has(event.peer) && !course.unready.has(event.peer);
      return isNews ? { ...course, unready: new Set([...course.unready, event.peer]) } : course;
    }
    case 'progress': {
      const open = course.open.map((tiles, block) => {
        const done = event.tiles.filter((tile) => tile.block === block).map(({ part }) => taskKey(block, part));
        const own = new Set(done.filter((key) => tiles.get(key) === event.peer));
        return own.size === 0 ? tiles : new Map([...tiles].filter(([key]) => !own.has(key)));
      });
      return { ...course, open, unready: without(course.unready, event.peer) };
    }
    case 'finished':
      return {
        ...course,
        open: course.open.map((tiles) => new Map([...tiles].filter(([, peer]) => peer !== event.peer))),
        unready: without(course.unready, event.peer),
        unfinished: without(course.unfinished, event.peer),
      };
  }
}

function settle(course: Course): CourseStep {
  if (course.phase === 'preparing' && course.unready.size === 0)
    return [{ ...course, phase: 'feeding' }, { kind: 'feed' }];
  if (course.phase === 'running' && course.unfinished.size === 0) return end(course, { kind: 'done' });
  return [course, undefined];
}

function lose(course: Course, peer: PeerId): CourseStep {
  // What a peer has finished and sent is no longer at risk when it leaves.
  if (!course.unfinished.has(peer)) return [course, undefined];
  return end(course, { kind: 'replan', without: [peer], reason: 'was lost' });
}

/** A peer that others cannot reach is left out; the entry cannot be, so then it is the peer that does not reach it. */
function blame(
  course: Course,
  { peer, code, message, lostPeer }: CourseEvent & { readonly kind: 'failed' },
): CourseStep {
  const { self, entry, participants } = course;
  const accused = lostPeer === undefined || lostPeer === entry ? peer : lostPeer;
  // This peer is there: who cannot reach it is left out.
  const culprit = accused === self ? peer : accused;
  // Nobody is at fault: memory is given out whole, and whoever gets none asks again.
  if (code === 'OVERLOADED' && lostPeer === undefined) {
    return end(course, { kind: 'replan', without: [], reason: 'is busy' });
  }
  // What this peer itself cannot do, no other plan of this peer can do either: another coordinator may.
  const isHopeless = code === 'STALE_TERM' || culprit === self || !participants.has(culprit);
  return end(
    course,
    isHopeless
      ? { kind: 'giveUp', code, message }
      : {
          kind: 'replan',
          without: [culprit],
          reason: { message },
          ...(peer === culprit || peer === self ? {} : { accuser: peer }),
        },
  );
}

function blameSilence(course: Course): CourseStep {
  const { self, entry, phase, unready } = course;
  const silent = unready.size > 0 ? [...unready] : phase === 'running' ? holdingUp(course) : [entry];
  const late = silent.filter((peer) => peer !== self && course.participants.has(peer));
  if (late.length > 0 && (unready.size > 0 || phase === 'running')) {
    return end(course, { kind: 'replan', without: late, reason: 'fell silent' });
  }
  const message = 'the request does not move on at this coordinator: another one may do better';
  return end(course, { kind: 'giveUp', code: 'UNAVAILABLE', message });
}
