/**
 * The course of one attempt as its coordinator sees it, as a pure step function: who still prepares, which tiles are out,
 * and what follows from what is heard, silence included. Where some participant may not be prepared, the inputs are held
 * back until all are; otherwise they are handed out at once, and whoever prepares all the same starts later.
 */
import type { ErrorCode } from '../errors.ts';
import type { PeerId } from '../ids.ts';
import { taskKey } from './dataflow.ts';
import type { Plan } from './plan.ts';
import { isFew, isLateInPreparing, latecomers, LOOK_MS, type Delays } from './straggler.ts';

export interface Course {
  readonly self: PeerId;
  readonly entry: PeerId;
  readonly participants: ReadonlySet<PeerId>;
  readonly total: number;
  readonly phase: 'preparing' | 'feeding' | 'running' | 'ended';
  /** Those that prepare, as far as is known. */
  readonly unready: ReadonlySet<PeerId>;
  readonly unfinished: ReadonlySet<PeerId>;
  /** Those that fetch weights, as far as is known: it takes as long as it takes. */
  readonly fetching: ReadonlySet<PeerId>;
  /** When each was last heard. */
  readonly heardMs: ReadonlyMap<PeerId, number>;
  readonly beganMs: number;
  /** When it is next looked who is waited for. */
  readonly lookMs: number;
  readonly delays: Delays;
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

/** Time has passed. */
interface Tick {
  readonly kind: 'tick';
  /** Those that were asked for a sign of life and gave none. */
  readonly doubtful?: readonly PeerId[];
  /** What an answer usually takes. */
  readonly usualMs?: number;
}

export type CourseEvent =
  /** The plan is on its way to all participants, or is about to be where nobody is waited for. */
  | { readonly kind: 'assigned' }
  | { readonly kind: 'ready'; readonly peer: PeerId }
  | { readonly kind: 'preparing'; readonly peer: PeerId; readonly isFetching: boolean }
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
  | Tick;

/** What is to be done. */
export type Turn =
  /** The entry may hand out the inputs. */
  | { readonly kind: 'feed' }
  | { readonly kind: 'done' }
  /** These are waited for and say nothing: do they live? */
  | {
      readonly kind: 'doubt';
      readonly peers: readonly PeerId[];
      /** Those of them that are silent for so long that what they were told may be lost, or their answer. */
      readonly unheard: readonly PeerId[];
    }
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
export type Reason =
  'was lost' | 'fell silent' | 'is late' | 'missed pieces' | 'is busy' | { readonly message: string };

export type CourseStep = readonly [Course, Turn | undefined];

/** Nothing heard for this long while some prepare: they are planned without. They say several times a second that they prepare. */
export const PREPARE_SILENCE_MS = 15_000;
/** The same while tiles run: whoever computes or sends says so several times in it, so all that are silent wait for a lost piece. */
export const RUN_SILENCE_MS = 1_500;
/** Or, where boards are slow or much is to be done, so many times what the plan promised: they are late in saying so, too. */
const RUN_SILENCE_PLANS = 3;

/** Whoever is waited for and has been silent for so long is doubted. */
export const DOUBT_MS = 400;
/** Silent for so long, and without an answer to what is asked because of it, it is planned without: it need not be lost for that. */
export const GONE_MS = 750;
/** The same where others hear it: whoever prepares says so several times in it. */
export const UNHEARD_MS = 1_000;
/** Whoever has been silent for so long is told again. */
export const TELL_AGAIN_MS = 2_500;

/** The same where signs of life come, but no tile is done: whoever owes the earliest is planned without. */
export const STANDSTILL_MS = 30_000;
/** Or, where tiles take longer, so many times the longest of them. */
const STANDSTILL_TILES = 20;

/**
 * @param isAwaited whether the inputs are held back until all are ready.
 * @param patience how many times longer than usual those that are late are waited for.
 */
export function beginCourse(
  plan: Plan,
  self: PeerId,
  entry: PeerId,
  isAwaited: boolean,
  nowMs: number,
  patience = 1,
): Course {
  const participants = new Set(plan.participants);
  return {
    self,
    entry,
    participants,
    total: plan.blocks.reduce((sum, { parts }) => sum + parts.length, 0),
    phase: 'preparing',
    unready: isAwaited ? participants : new Set(),
    unfinished: participants,
    fetching: new Set(),
    heardMs: new Map(),
    beganMs: nowMs,
    lookMs: nowMs + LOOK_MS,
    delays: {
      blocks: plan.blocks,
      predictedMs: plan.predictedMs,
      patience,
      startMs: nowMs,
      readyMs: nowMs,
      heldMs: new Map(),
    },
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
export const nextTickMs = (course: Course): number => Math.min(course.lookMs, silenceDueMs(course));

/** Until when silence is borne. */
export const silenceDueMs = ({ phase, unready, lastSignMs, silenceMs, lastTileMs, standstillMs }: Course): number =>
  phase === 'running' && unready.size === 0
    ? Math.min(lastSignMs + silenceMs, lastTileMs + standstillMs)
    : lastSignMs + PREPARE_SILENCE_MS;

const end = (course: Course, turn: Turn): CourseStep => [{ ...course, phase: 'ended' }, turn];

/** What the event makes of the course, and what is to be done. After the end nothing changes. */
export function stepCourse(course: Course, event: CourseEvent, nowMs: number): CourseStep {
  if (course.phase === 'ended') return [course, undefined];
  switch (event.kind) {
    case 'tick':
      if (nowMs >= silenceDueMs(course) && isOnTime(course, nowMs)) return blameSilence(course);
      return nowMs >= course.lookMs ? look(course, event, nowMs) : [course, undefined];
    case 'lost':
      return lose(course, event.peer);
    case 'failed':
      return blame(course, event);
    case 'missed':
      return end(course, { kind: 'replan', without: [], reason: 'missed pieces', accuser: event.peer });
    case 'ready':
      // Said again by one that waits, and asks by that whether the attempt is still on: no sign that it gets on.
      if (!course.unready.has(event.peer)) return [heardOf(course, event.peer, nowMs), undefined];
      return settle(readyAt(hear({ ...heardOf(course, event.peer, nowMs), lastSignMs: nowMs }, event), nowMs), nowMs);
    case 'assigned':
    case 'preparing':
    case 'progress':
    case 'finished':
    case 'fed':
      return settle(
        moving(course, hear({ ...heardOf(course, speaker(course, event), nowMs), lastSignMs: nowMs }, event), nowMs),
        nowMs,
      );
  }
}

const speaker = ({ self, entry }: Course, event: Sign): PeerId =>
  'peer' in event ? event.peer : event.kind === 'fed' ? entry : self;

const heardOf = (course: Course, peer: PeerId, nowMs: number): Course => ({
  ...course,
  heardMs: new Map(course.heardMs).set(peer, nowMs),
});

const readyAt = (course: Course, readyMs: number): Course => ({ ...course, delays: { ...course.delays, readyMs } });

/** Whom it waits for. */
function waitedFor(course: Course): readonly PeerId[] {
  const { phase, unready, entry, unfinished } = course;
  if (unready.size > 0) return [...unready];
  if (phase === 'feeding') return [entry];
  const owing = holdingUp(course);
  return owing.length > 0 ? owing : [...unfinished];
}

/** Where this peer itself is late, what has come meanwhile is not read yet, and nobody else is blamed. */
const isOnTime = ({ lookMs }: Course, nowMs: number): boolean => nowMs - lookMs < LOOK_MS;

const silentMs = ({ heardMs, beganMs }: Course, peer: PeerId, nowMs: number): number =>
  nowMs - (heardMs.get(peer) ?? beganMs);

/** Those to go on without before they are lost: they answer nobody, or some do not even say that they prepare. */
function missing(
  course: Course,
  waited: readonly PeerId[],
  { doubtful = [], usualMs = 0 }: Tick,
  nowMs: number,
): readonly PeerId[] {
  const { self, participants, unready, delays } = course;
  const silent = (forMs: number): readonly PeerId[] =>
    waited.filter(
      (peer) => peer !== self && participants.has(peer) && silentMs(course, peer, nowMs) >= forMs * delays.patience,
    );
  const gone = silent(GONE_MS).filter((peer) => doubtful.includes(peer));
  const unheard = unready.size > 0 ? silent(UNHEARD_MS + usualMs) : [];
  return isFew(unheard.length, participants) ? [...gone, ...unheard] : gone;
}

/** Whether those that are waited for are late, or may be gone. */
function look(before: Course, event: Tick, nowMs: number): CourseStep {
  const waited = waitedFor(before);
  const { self, phase, unready, participants, fetching, beganMs } = before;
  const isPreparing = unready.size > 0;
  const isLate = isPreparing && isLateInPreparing(before.delays, unready, participants, fetching, beganMs, nowMs);
  const [delays, late] =
    phase === 'running' && !isPreparing
      ? latecomers(before, waited, nowMs)
      : ([before.delays, isLate ? waited : []] as const);
  const course = { ...before, lookMs: nowMs + LOOK_MS, delays };
  const without = isOnTime(before, nowMs)
    ? [...new Set([...late, ...missing(course, waited, event, nowMs)])]
    : late.filter((peer) => peer === self);
  if (without.length > 0) return end(course, { kind: 'replan', without, reason: 'is late' });
  const peers = waited.filter((peer) => peer !== self && silentMs(course, peer, nowMs) >= DOUBT_MS);
  const unheard = waited.filter((peer) => silentMs(course, peer, nowMs) >= TELL_AGAIN_MS);
  return [course, peers.length + unheard.length === 0 ? undefined : { kind: 'doubt', peers, unheard }];
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
      const fetching = event.isFetching
        ? new Set([...course.fetching, event.peer])
        : without(course.fetching, event.peer);
      const isNews = course.unfinished.has(event.peer) && !course.unready.has(event.peer);
      return { ...course, fetching, ...(isNews ? { unready: new Set([...course.unready, event.peer]) } : {}) };
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

function settle(course: Course, nowMs: number): CourseStep {
  if (course.phase === 'preparing' && course.unready.size === 0) {
    return [{ ...course, phase: 'feeding', delays: { ...course.delays, startMs: nowMs } }, { kind: 'feed' }];
  }
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
