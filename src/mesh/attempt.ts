/**
 * One attempt at its coordinator: hands a plan out, hears how it goes, and ends with what the participants report or with the
 * reason why this plan cannot be carried out.
 */
import type { PlanMessage } from '../../protocols/plan/messages.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { ModelId, PeerId } from '../core/ids.ts';
import {
  beginCourse,
  completedTiles,
  holdingUp,
  nextTickMs,
  stepCourse,
  type Course,
  type CourseEvent,
  type Reason,
  type Turn,
} from '../core/plan/course.ts';
import { Assignment } from './assignment.ts';
import type { AttemptId } from './attempt-id.ts';
import type { TileReport } from './execution.ts';
import type { PlanLedger } from './plan-ledger.ts';
import type { Clock, MemberDirectory, MessageChannel } from './ports.ts';
import type { EncodedPlan, PreparedPlan } from './preparation.ts';
import { parseTileReports } from './run-report.ts';

export interface AttemptParts {
  readonly members: MemberDirectory;
  readonly plans: MessageChannel<PlanMessage>;
  readonly ledger: PlanLedger;
  readonly clock: Clock;
}

export interface AttemptSetup {
  readonly id: AttemptId;
  readonly modelId: ModelId;
  readonly entry: PeerId;
  readonly encoded: EncodedPlan;
  readonly prepared: PreparedPlan;
  /** Whether to hold the inputs back until all are ready, even where all are taken to be. */
  readonly mustWait: boolean;
  /** How many times longer than usual those that are late are waited for. */
  readonly patience: number;
  /** When nobody wants the answer any more, on this peer's clock. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** How far a request has come, for people. */
export interface Stage {
  readonly stage: string;
  readonly completed: number;
  readonly total: number;
}

/** Ends an attempt but not the term. */
export class AttemptFailure extends Error {
  /** To be left out of the next attempt. */
  readonly without: readonly PeerId[];
  /** Who said so of others; undefined where this peer has seen it itself. */
  readonly accuser: PeerId | undefined;
  /** Whether those left out said nothing, or nothing but that they were at work. */
  readonly isSilence: boolean;
  /** Whether those left out live and are late. */
  readonly isLateness: boolean;
  /** Whether the same peers may carry it out a little later. */
  readonly isBusy: boolean;

  constructor(message: string, { without, accuser, reason }: Extract<Turn, { readonly kind: 'replan' }>) {
    super(message);
    this.without = without;
    this.accuser = accuser;
    this.isSilence = reason === 'fell silent';
    this.isLateness = reason === 'is late';
    this.isBusy = reason === 'is busy';
  }
}

export class Attempt {
  /** Whether the inputs are held back until all participants are ready. */
  readonly isAwaited: boolean;
  readonly #parts: AttemptParts;
  readonly #setup: AttemptSetup;
  readonly #assignment: Assignment;
  readonly #tiles: TileReport[] = [];
  readonly #outcome = Promise.withResolvers<void>();
  #course: Course;
  #stage: Stage = { stage: 'preparing', completed: 0, total: 0 };
  #stopTimer = (): void => undefined;

  constructor(parts: AttemptParts, setup: AttemptSetup) {
    const { members, clock, plans, ledger } = parts;
    const { id, modelId, entry, encoded, prepared, signal } = setup;
    const { participants } = prepared.plan;
    this.#parts = parts;
    this.#setup = setup;
    this.isAwaited = setup.mustWait || participants.some((peer) => !ledger.isPrepared(peer, encoded.digest));
    this.#assignment = new Assignment({
      plans,
      ledger,
      id,
      modelId,
      encoded,
      participants,
      entry,
      signal,
      isAwaited: this.isAwaited,
      remainingMs: () => Math.max(1, setup.deadlineMs - clock.now()),
      onUnreachable: (peer, { code }) => {
        this.#step({ kind: 'failed', peer, code, message: `${members.nameOf(peer)} cannot be reached` });
      },
    });
    this.#course = beginCourse(prepared.plan, members.self, entry, this.isAwaited, clock.now(), setup.patience);
    // Nobody waits for it yet when the plan cannot be handed out.
    this.#outcome.promise.catch(() => undefined);
    const cancel = (): void => this.#outcome.reject(toMeshError(signal.reason, 'CANCELLED'));
    signal.addEventListener('abort', cancel, { once: true });
  }

  get id(): AttemptId {
    return this.#setup.id;
  }

  get stage(): Stage {
    return this.#stage;
  }

  /**
   * What the participants report, once all is computed and sent.
   * @throws AttemptFailure when another plan may do, MeshError when none of this coordinator can.
   */
  async run(): Promise<readonly TileReport[]> {
    this.#watch();
    try {
      const outcome = this.#outcome.promise;
      // Where nobody is waited for the entry hands out while the plan is on its way: who gets a piece first keeps it.
      if (!this.isAwaited) this.#step({ kind: 'assigned' });
      // A peer that takes nothing must not delay what the loss of another one brings about.
      await Promise.race([this.#assignment.assign(), outcome]);
      if (this.isAwaited) this.#step({ kind: 'assigned' });
      await outcome;
      return this.#tiles;
    } finally {
      this.#stopTimer();
    }
  }

  /** Whom all others wait for. */
  get holdingUp(): readonly PeerId[] {
    const { phase, unready } = this.#course;
    if (unready.size > 0) return [...unready];
    return phase === 'running' ? holdingUp(this.#course) : [];
  }

  /** Has the participants drop what belongs to this attempt. Resolves when all but the lost ones have been told. */
  abort(reason: string, lost: ReadonlySet<PeerId>): Promise<void> {
    return this.#assignment.abort(reason, lost);
  }

  /** @returns whether the attempt cannot do without that peer. */
  lost(peer: PeerId): boolean {
    const isNeeded = this.#course.unfinished.has(peer);
    this.#step({ kind: 'lost', peer });
    return isNeeded;
  }

  message(from: PeerId, message: PlanMessage): void {
    const isEntry = from === this.#setup.entry;
    const isParticipant = this.#course.participants.has(from);
    switch (message.kind) {
      case 'lack':
        if (message.isFeed ? isEntry : isParticipant) void this.#assignment.sendInFull(from, message.isFeed);
        break;
      case 'fed':
        if (isEntry) this.#step({ kind: 'fed' });
        break;
      case 'failed':
      case 'refuse':
        if (isEntry || isParticipant) this.#step({ ...message, kind: 'failed', peer: from });
        break;
      case 'ready':
      case 'preparing':
      case 'progress':
      case 'missed':
      case 'finished':
        if (isParticipant) this.#hear(from, message);
        break;
      case 'assign':
      case 'feed':
      case 'abort':
        break;
    }
  }

  #hear(peer: PeerId, message: Sign): void {
    const { kind } = message;
    if (kind === 'ready' || kind === 'finished') {
      this.#parts.ledger.note([peer], this.#setup.encoded.digest, 'prepared');
    }
    if (kind === 'finished') this.#tiles.push(...parseTileReports(message.report));
    this.#step(eventOf(peer, message));
    if (kind === 'preparing') {
      this.#stage = { stage: 'fetching weights', completed: message.completedBytes, total: message.totalBytes };
    } else if (this.#course.phase !== 'preparing') this.#showComputing();
  }

  #showComputing(): void {
    this.#stage = { stage: 'computing', completed: completedTiles(this.#course), total: this.#course.total };
  }

  /** Has silence noticed. */
  #watch(): void {
    const { clock, members } = this.#parts;
    this.#stopTimer = clock.after(Math.max(1, nextTickMs(this.#course) - clock.now()), () => {
      const usualMs = members.usualWaitMs?.([...this.#course.participants]) ?? 0;
      this.#step({ kind: 'tick', doubtful: members.doubtful?.() ?? [], usualMs });
      if (this.#course.phase !== 'ended') this.#watch();
    });
  }

  /** What those that are waited for were told may be lost, or their answer. */
  #sayAgain(peers: readonly PeerId[]): void {
    const { phase, unready } = this.#course;
    if (phase === 'feeding' && peers.length > 0) void this.#assignment.feed();
    for (const peer of peers) if (unready.has(peer)) void this.#assignment.sayAgain(peer);
  }

  #step(event: CourseEvent): void {
    const { members, clock } = this.#parts;
    const [course, turn] = stepCourse(this.#course, event, clock.now());
    this.#course = course;
    switch (turn?.kind) {
      case 'feed':
        this.#showComputing();
        void this.#assignment.feed();
        break;
      case 'done':
        this.#outcome.resolve();
        break;
      case 'doubt':
        for (const peer of turn.peers) members.doubt?.(peer);
        this.#sayAgain(turn.unheard);
        break;
      case 'replan': {
        const names = turn.without.map((peer) => members.nameOf(peer)).join(', ');
        this.#outcome.reject(new AttemptFailure(explain(turn.reason, names), turn));
        break;
      }
      case 'giveUp':
        this.#outcome.reject(new MeshError(turn.code, turn.message));
        break;
      case undefined:
        break;
    }
  }
}

type Sign = PlanMessage & { readonly kind: 'ready' | 'preparing' | 'progress' | 'missed' | 'finished' };

function eventOf(peer: PeerId, message: Sign): CourseEvent {
  const { kind } = message;
  if (kind === 'progress') return { kind, peer, tiles: message.tiles };
  if (kind === 'preparing') return { kind, peer, isFetching: message.completedBytes < message.totalBytes };
  return { kind, peer };
}

const explain = (reason: Reason, names: string): string =>
  typeof reason === 'object'
    ? reason.message
    : reason === 'missed pieces'
      ? 'pieces came before their plan and were not kept'
      : reason === 'is busy'
        ? 'a participant has no memory left for it at the moment'
        : `${names} ${reason}`;
