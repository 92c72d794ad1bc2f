/**
 * One term of one request at its coordinator: plan, hand the plan out, hear how it goes, and plan again on the survivors when
 * a participant is lost. Tensors do not pass through here.
 */
import type { Propose } from '../../protocols/election/messages.ts';
import type { PlanMessage } from '../../protocols/plan/messages.ts';
import { GIGABIT } from '../core/cost/cost-model.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { PeerId } from '../core/ids.ts';
import {
  beginCourse,
  completedTiles,
  nextTickMs,
  stepCourse,
  type Course,
  type CourseEvent,
  type Reason,
} from '../core/plan/course.ts';
import { levelled } from '../core/plan/planner.ts';
import type { Logger } from '../observability/logger.ts';
import { Assignment } from './assignment.ts';
import type { TileReport } from './execution.ts';
import type { PlanLedger } from './plan-ledger.ts';
import type { Clock, MemberDirectory, MessageChannel } from './ports.ts';
import type { EncodedPlan, Preparation, PreparedPlan } from './preparation.ts';
import { coordinatorReport, parseTileReports, type CoordinatorReport } from './run-report.ts';

export interface CoordinationParts {
  readonly members: MemberDirectory;
  readonly plans: MessageChannel<PlanMessage>;
  readonly preparation: Preparation;
  readonly ledger: PlanLedger;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Stage {
  readonly stage: string;
  readonly completed: number;
  readonly total: number;
}

/** How often one term plans before it gives up. */
const MAX_ATTEMPTS = 16;

/** One attempt in flight. */
interface Attempt {
  readonly number: number;
  readonly prepared: PreparedPlan;
  readonly digest: EncodedPlan['digest'];
  readonly assignment: Assignment;
  readonly tiles: TileReport[];
  /** Rejected with the reason when the attempt cannot succeed. */
  readonly outcome: PromiseWithResolvers<void>;
  course: Course;
  stopTimer: () => void;
}

/** Ends an attempt but not the term. */
class AttemptFailure extends Error {
  /** Left out of the next attempt. */
  readonly without: readonly PeerId[];

  constructor(message: string, without: readonly PeerId[]) {
    super(message);
    this.without = without;
  }
}

export class Coordination {
  readonly #parts: CoordinationParts;
  readonly #request: Propose;
  readonly #entry: PeerId;
  readonly #signal: AbortSignal;
  readonly #excluded = new Set<PeerId>();
  readonly #lost = new Set<PeerId>();
  #attempt: Attempt | undefined;
  #stage: Stage = { stage: 'planning', completed: 0, total: 0 };

  constructor(parts: CoordinationParts, request: Propose, entry: PeerId, signal: AbortSignal) {
    this.#parts = parts;
    this.#request = request;
    this.#entry = entry;
    this.#signal = signal;
    const cancel = (): void => this.#attempt?.outcome.reject(toMeshError(signal.reason, 'CANCELLED'));
    signal.addEventListener('abort', cancel, { once: true });
  }

  /** How far the request has come, for the lease's renewals. */
  get stage(): Stage {
    return this.#stage;
  }

  peerLost(peer: PeerId): void {
    if (this.#attempt !== undefined) this.#step(this.#attempt, { kind: 'lost', peer });
  }

  message(from: PeerId, message: PlanMessage): void {
    const attempt = this.#attempt;
    if (message.attempt !== attempt?.number) return;
    const isParticipant = attempt.course.participants.has(from);
    switch (message.kind) {
      case 'lack':
        if (message.isFeed ? from === this.#entry : isParticipant)
          void attempt.assignment.sendInFull(from, message.isFeed);
        break;
      case 'fed':
        if (from === this.#entry) this.#step(attempt, { kind: 'fed' });
        break;
      case 'failed':
      case 'refuse':
        if (isParticipant || from === this.#entry) this.#step(attempt, { ...message, kind: 'failed', peer: from });
        break;
      case 'ready':
      case 'preparing':
      case 'progress':
      case 'missed':
      case 'finished':
        if (isParticipant) this.#participantSays(attempt, from, message);
        break;
      case 'assign':
      case 'feed':
      case 'abort':
        break;
    }
  }

  #participantSays(
    attempt: Attempt,
    peer: PeerId,
    message: PlanMessage & { readonly kind: 'ready' | 'preparing' | 'progress' | 'missed' | 'finished' },
  ): void {
    const { ledger } = this.#parts;
    if (message.kind === 'ready' || message.kind === 'finished') ledger.note([peer], attempt.digest, 'prepared');
    if (message.kind === 'finished') attempt.tiles.push(...parseTileReports(message.report));
    if (message.kind === 'preparing') {
      const { completedBytes, totalBytes } = message;
      this.#stage = { stage: 'fetching weights', completed: completedBytes, total: totalBytes };
    }
    this.#step(attempt, message.kind === 'progress' ? { ...message, peer } : { kind: message.kind, peer });
    if (message.kind === 'progress' || message.kind === 'finished') {
      this.#stage = { stage: 'computing', completed: completedTiles(attempt.course), total: attempt.course.total };
    }
  }

  /** @throws MeshError when no answer can be had in this term. */
  async run(): Promise<CoordinatorReport> {
    let isAwaited = false;
    for (let number = 1; number <= MAX_ATTEMPTS; number++) {
      this.#signal.throwIfAborted();
      try {
        return await this.#try(number, isAwaited);
      } catch (error) {
        if (!(error instanceof AttemptFailure)) throw error;
        const { requestId } = this.#request;
        this.#parts.logger.info({ requestId, attempt: number }, `planning again: ${error.message}`);
        for (const peer of error.without) this.#excluded.add(peer);
        isAwaited = true;
      }
    }
    throw new MeshError(
      'UNAVAILABLE',
      `no plan of ${MAX_ATTEMPTS} could be carried out: check the health of the peers`,
    );
  }

  async #try(number: number, isAwaited: boolean): Promise<CoordinatorReport> {
    const { clock, logger } = this.#parts;
    const beganMs = clock.now();
    const { encoded, prepared } = await this.#plan(number > 1 || this.#request.term > 1);
    const attempt = this.#begin(number, encoded, prepared, isAwaited);
    const plannedMs = clock.now();
    try {
      await attempt.assignment.assign();
      this.#step(attempt, { kind: 'assigned' });
      await attempt.outcome.promise;
      const { requestId } = this.#request;
      const { isAwaited } = attempt.assignment;
      const spent = { planMs: plannedMs - beganMs, runMs: clock.now() - plannedMs, isAwaited };
      logger.debug({ requestId, attempt: number, ...spent }, 'answered');
      return coordinatorReport({ ...prepared, tiles: attempt.tiles }, number, [...this.#lost]);
    } catch (error) {
      await attempt.assignment.abort(error instanceof Error ? error.message : 'failed', this.#lost);
      throw error;
    } finally {
      attempt.stopTimer();
    }
  }

  /**
   * The plan for those that are there. One that is cut is the same whoever coordinates, so that all know it after one
   * request; what runs whole on one peer runs here.
   */
  async #plan(isCold: boolean): Promise<{ readonly encoded: EncodedPlan; readonly prepared: PreparedPlan }> {
    const { members, preparation } = this.#parts;
    const { self } = members;
    const peers = members.available().filter(({ peer }) => peer === self || !this.#excluded.has(peer));
    const { modelId, parallelism } = this.#request;
    const inputs = new Map(this.#request.inputs.map(({ name, type, shape }) => [name, { type, shape }]));
    const planFor = async (coordinator: PeerId) => {
      const question = { modelId, inputs, peers, coordinator, link: GIGABIT, parallelism, isCold };
      const encoded = await preparation.planFor(question, this.#signal);
      return { encoded, prepared: await preparation.learn(encoded, this.#signal) };
    };
    const anchor = parallelism === 1 ? self : (levelled(peers)[0]?.peer ?? self);
    const made = await planFor(anchor);
    return made.prepared.plan.participants.length > 1 || anchor === self ? made : planFor(self);
  }

  #begin(number: number, encoded: EncodedPlan, prepared: PreparedPlan, mustWait: boolean): Attempt {
    const { members, plans, ledger, clock } = this.#parts;
    const { requestId, term, modelId } = this.#request;
    const { participants } = prepared.plan;
    const { digest } = encoded;
    const entry = this.#entry;
    const isAwaited = mustWait || participants.some((peer) => !ledger.isPrepared(peer, digest));
    const assignment = new Assignment({
      plans,
      ledger,
      id: { requestId, term, attempt: number },
      modelId,
      encoded,
      participants,
      entry,
      isAwaited,
      signal: this.#signal,
      onUnreachable: (peer, { code }) => {
        const message = `${members.nameOf(peer)} cannot be reached`;
        this.#step(attempt, { kind: 'failed', peer, code, message });
      },
    });
    const attempt: Attempt = {
      number,
      prepared,
      digest,
      assignment,
      tiles: [],
      outcome: Promise.withResolvers<void>(),
      course: beginCourse(prepared.plan, members.self, entry, isAwaited, clock.now()),
      stopTimer: () => undefined,
    };
    // Whoever waits sees the rejection; nobody waits all the time.
    attempt.outcome.promise.catch(() => undefined);
    this.#attempt = attempt;
    this.#watch(attempt);
    return attempt;
  }

  /** Has silence noticed. */
  #watch(attempt: Attempt): void {
    const { clock } = this.#parts;
    attempt.stopTimer = clock.after(Math.max(1, nextTickMs(attempt.course) - clock.now()), () => {
      this.#step(attempt, { kind: 'tick' });
      if (attempt.course.phase !== 'ended') this.#watch(attempt);
    });
  }

  #step(attempt: Attempt, event: CourseEvent): void {
    const { members, clock } = this.#parts;
    const [course, turn] = stepCourse(attempt.course, event, clock.now());
    attempt.course = course;
    switch (turn?.kind) {
      case 'feed':
        this.#stage = { stage: 'computing', completed: 0, total: course.total };
        void attempt.assignment.feed();
        break;
      case 'done':
        attempt.outcome.resolve();
        break;
      case 'replan': {
        if (event.kind === 'lost') this.#lost.add(event.peer);
        const names = turn.without.map((peer) => members.nameOf(peer)).join(', ');
        attempt.outcome.reject(new AttemptFailure(explain(turn.reason, names), turn.without));
        break;
      }
      case 'giveUp':
        attempt.outcome.reject(new MeshError(turn.code, turn.message));
        break;
      case undefined:
        break;
    }
  }
}

const explain = (reason: Reason, names: string): string =>
  typeof reason === 'object'
    ? reason.message
    : reason === 'missed pieces'
      ? 'pieces came before their plan and were not kept'
      : `${names} ${reason}`;
