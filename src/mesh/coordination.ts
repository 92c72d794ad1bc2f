/**
 * One term of one request at its coordinator: plan, have the plan carried out, and plan again on the survivors when a
 * participant is lost. Tensors do not pass through here.
 */
import type { Propose } from '../../protocols/election/messages.ts';
import type { PlanMessage } from '../../protocols/plan/messages.ts';
import { GIGABIT } from '../core/cost/cost-model.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { PeerId } from '../core/ids.ts';
import { pacesOf } from '../core/schedule/pace.ts';
import { pauseAfterRefusal } from '../core/schedule/reservation.ts';
import type { Logger } from '../observability/logger.ts';
import { Attempt, AttemptFailure, type AttemptParts, type Stage } from './attempt.ts';
import type { EncodedPlan, Preparation, PreparedPlan } from './preparation.ts';
import type { Recorder, Recording } from './recording.ts';
import type { CoordinatorAccount } from './run-report.ts';

export interface CoordinationParts extends AttemptParts {
  readonly preparation: Preparation;
  /** Requests that share the mesh, this one included. */
  readonly concurrency: () => number;
  readonly records: Recorder;
  readonly logger: Logger;
}

/** How often one term plans before it gives up; plans that only came at a busy time do not count. */
const MAX_ATTEMPTS = 16;
/** Attempts that are given up because somebody is late; after each, latecomers are waited for so many times longer. */
const MOST_LATE_ATTEMPTS = 2;
const LATE_PATIENCE = 4;
/** Less of a wait is nobody's fault. */
const HELD_UP_MS = 10_000;
const PLANNING: Stage = { stage: 'planning', completed: 0, total: 0 };

export class Coordination {
  readonly #parts: CoordinationParts;
  readonly #request: Propose;
  readonly #entry: PeerId;
  readonly #signal: AbortSignal;
  /** On the clock of this peer. */
  readonly #deadlineMs: number;
  readonly #excluded = new Set<PeerId>();
  /** Alive, and too slow for this request. */
  readonly #late = new Set<PeerId>();
  #lateAttempts = 0;
  /** Who has had others left out. */
  readonly #accusers = new Set<PeerId>();
  readonly #lost = new Set<PeerId>();
  readonly #recording: Recording;
  #attempt: Attempt | undefined;

  constructor(parts: CoordinationParts, request: Propose, entry: PeerId, signal: AbortSignal) {
    this.#parts = parts;
    this.#request = request;
    this.#entry = entry;
    this.#signal = signal;
    this.#deadlineMs = parts.clock.now() + request.deadlineMs;
    this.#recording = parts.records.of(request.requestId);
    this.#recording.mark('coordinating', request, { peer: entry });
  }

  /** For the lease's renewals. */
  get stage(): Stage {
    return this.#attempt?.stage ?? PLANNING;
  }

  peerLost(peer: PeerId): void {
    if (this.#attempt?.lost(peer) === true) this.#lost.add(peer);
  }

  /** @returns whether it is about the attempt in hand. */
  message(from: PeerId, message: PlanMessage): boolean {
    const attempt = this.#attempt;
    if (message.attempt !== attempt?.id.attempt) return false;
    attempt.message(from, message);
    return true;
  }

  /** @throws MeshError when no answer can be had in this term. */
  async run(): Promise<CoordinatorAccount> {
    let refusals = 0;
    for (let number = 1; number - refusals <= MAX_ATTEMPTS; number++) {
      this.#signal.throwIfAborted();
      try {
        return await this.#try(number);
      } catch (error) {
        if (!(error instanceof AttemptFailure)) throw error;
        const { requestId, term } = this.#request;
        this.#parts.logger.info({ requestId, attempt: number }, `planning again: ${error.message}`);
        this.#recording.mark('planning again', { term, attempt: number }, { text: error.message });
        this.#leaveOut(error);
        if (!error.isBusy) continue;
        refusals += 1;
        await this.#pause(pauseAfterRefusal(requestId, refusals));
      }
    }
    throw new MeshError(
      'UNAVAILABLE',
      `no plan of ${MAX_ATTEMPTS} could be carried out: check the health of the peers`,
    );
  }

  #leaveOut({ without, accuser, isSilence, isLateness }: AttemptFailure): void {
    const { members } = this.#parts;
    if (isLateness) this.#lateAttempts += 1;
    for (const peer of without) {
      if (isLateness) {
        this.#late.add(peer);
        members.noteLate?.(peer);
        continue;
      }
      this.#excluded.add(peer);
      if (isSilence) members.noteFault?.(peer);
    }
    if (accuser === undefined || accuser === members.self) return;
    // Once it may be right. Who says it again of others is the one they have in common.
    if (this.#accusers.has(accuser)) {
      this.#excluded.add(accuser);
      members.noteFault?.(accuser);
    }
    this.#accusers.add(accuser);
  }

  /** @throws MeshError when the request ends meanwhile. */
  async #pause(delayMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const cancel = (): void => reject(toMeshError(this.#signal.reason, 'CANCELLED'));
    const stopTimer = this.#parts.clock.after(delayMs, () => resolve(undefined));
    this.#signal.addEventListener('abort', cancel, { once: true });
    try {
      this.#signal.throwIfAborted();
      await promise;
    } finally {
      stopTimer();
      this.#signal.removeEventListener('abort', cancel);
    }
  }

  async #try(number: number): Promise<CoordinatorAccount> {
    const { clock, logger } = this.#parts;
    const { requestId, term, modelId } = this.#request;
    const beganMs = clock.now();
    const planned = await this.#plan(number > 1 || term > 1);
    this.#signal.throwIfAborted();
    const plannedMs = clock.now();
    const id = { requestId, term, attempt: number };
    this.#recording.mark('planned', id, { digest: planned.encoded.digest });
    const setup = {
      id,
      modelId,
      entry: this.#entry,
      ...planned,
      patience: planned.hasOthers ? this.#patience : Infinity,
      mustWait: number > 1,
      deadlineMs: this.#deadlineMs,
      signal: this.#signal,
    };
    const attempt = new Attempt(this.#parts, setup);
    this.#attempt = attempt;
    try {
      const tiles = await attempt.run();
      const spent = { planMs: plannedMs - beganMs, runMs: clock.now() - plannedMs, isAwaited: attempt.isAwaited };
      this.#recording.mark('all computed', id);
      for (const [peer, pace] of pacesOf(planned.prepared.plan, tiles)) this.#parts.members.notePace?.(peer, pace);
      logger.debug({ requestId, attempt: number, ...spent }, 'answered');
      return { attempts: number, lostPeers: [...this.#lost], tiles };
    } catch (error) {
      // Whoever wanted the answer has waited long, for nobody but them.
      if (this.#signal.aborted && clock.now() - plannedMs >= HELD_UP_MS) {
        for (const peer of attempt.holdingUp) this.#parts.members.noteFault?.(peer);
      }
      await attempt.abort(error instanceof Error ? error.message : 'failed', this.#lost);
      throw error;
    } finally {
      this.#attempt = undefined;
    }
  }

  /** Where one after another is late, the whole mesh is, and to begin again makes it worse. */
  get #patience(): number {
    return this.#lateAttempts < MOST_LATE_ATTEMPTS ? LATE_PATIENCE ** this.#lateAttempts : Infinity;
  }

  /** The plan for those that are there, and whether others could do what one of them is late with. */
  async #plan(
    isCold: boolean,
  ): Promise<{ readonly encoded: EncodedPlan; readonly prepared: PreparedPlan; readonly hasOthers: boolean }> {
    const { members, preparation, concurrency } = this.#parts;
    const { self: coordinator } = members;
    const available = members.available();
    if (!available.some(({ peer }) => peer === coordinator)) {
      throw new MeshError('UNAVAILABLE', 'this peer is about to stop: another one may coordinate');
    }
    const avoided = new Set(this.#request.avoid);
    const able = available.filter(
      ({ peer }) => !avoided.has(peer) && (peer === coordinator || !this.#excluded.has(peer)),
    );
    const doubtful = new Set(members.doubtful?.());
    const trusted = able.filter(
      ({ peer }) => peer === coordinator || (members.isBenched?.(peer) !== true && !doubtful.has(peer)),
    );
    const prompt = trusted.filter(({ peer }) => !this.#late.has(peer));
    const peers = [prompt, trusted, able].find((some) => some.length > 0) ?? [];
    const [first] = peers;
    if (first === undefined) throw new MeshError('UNAVAILABLE', 'nobody is left who may compute this request');
    // One that does not compute plans as one of those that do would.
    const planner = peers.some(({ peer }) => peer === coordinator) ? coordinator : first.peer;
    const { modelId, parallelism } = this.#request;
    const inputs = new Map(this.#request.inputs.map(({ name, type, shape }) => [name, { type, shape }]));
    const asked = { parallelism, isCold, concurrency: concurrency() };
    const question = { modelId, inputs, peers, coordinator: planner, link: GIGABIT, ...asked };
    const earlier = this.#recording.marks.findLast(({ digest }) => digest !== undefined)?.digest;
    const encoded = await preparation.planFor(question, this.#signal, earlier);
    return { encoded, prepared: await preparation.learn(encoded, this.#signal), hasOthers: prompt.length > 1 };
  }
}
