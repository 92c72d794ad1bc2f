/** The participant: takes assignments, computes its tiles, refuses work of coordinators that have been replaced. */
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import type { Assign, PlanMessage } from '../../protocols/plan/messages.ts';
import type { Fence } from '../core/election/fence.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import { release, reserve, reservedBytes, shareBytes, type Reservations } from '../core/schedule/reservation.ts';
import type { Logger } from '../observability/logger.ts';
import { isNewer, isSame, type AttemptId } from './attempt-id.ts';
import { EarlyPieces, type EarlyLimits } from './early-pieces.ts';
import type { Standing } from './entry-desk.ts';
import { Execution } from './execution.ts';
import type { PlanLedger } from './plan-ledger.ts';
import type { Clock, MemberDirectory, MessageChannel, ModelAccess, PieceChannel } from './ports.ts';
import type { PreparedPlan, Preparation } from './preparation.ts';
import type { ProgramShelf } from './program-shelf.ts';
import { RecentMap } from './recent-map.ts';
import type { Recorder, Recording } from './recording.ts';
import { encodeTileReports } from './run-report.ts';
import { lostPeerOf } from './send-piece.ts';
import { WorkSigns } from './work-signs.ts';

export interface WorkerParts {
  readonly members: MemberDirectory;
  readonly channel: MessageChannel<PlanMessage>;
  readonly pieces: PieceChannel;
  readonly models: ModelAccess;
  readonly preparation: Preparation;
  readonly ledger: PlanLedger;
  readonly shelf: ProgramShelf;
  readonly clock: Clock;
  readonly records: Recorder;
  readonly logger: Logger;
  /** Attempts in hand at a time; further ones are refused. */
  readonly maxExecutions: number;
  /** Memory for feature maps of all attempts; each reserves its share before it starts. */
  readonly mapBytes: number;
  readonly earlyLimits: EarlyLimits;
  readonly createFence: (limit: number) => Fence;
  /** What the entry of this peer knows of a coordinator of its own requests; anything goes when absent. */
  readonly standingOf?: (coordinator: PeerId, id: AttemptId) => Standing;
}

interface Running {
  readonly id: AttemptId;
  readonly coordinator: PeerId;
  readonly recording: Recording;
  readonly abort: AbortController;
  isReady: boolean;
  execution?: Execution;
}

const keyOf = ({ requestId, term, attempt }: AttemptId): string => `${requestId}/${term}/${attempt}`;

interface Ended extends AttemptId {
  readonly coordinator: PeerId;
}

/** Requests whose newest term and attempt are remembered. */
const FENCED_REQUESTS = 4096;

export class Worker {
  readonly #parts: WorkerParts;
  readonly #fence: Fence;
  readonly #running = new Map<RequestId, Running>();
  /** The newest attempt of each request that has ended here. */
  readonly #ended = new RecentMap<RequestId, Ended>(FENCED_REQUESTS);
  readonly #early: EarlyPieces;
  readonly #unsubscribe: (() => void)[] = [];
  #reserved: Reservations = new Map();

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#fence = parts.createFence(FENCED_REQUESTS);
    this.#early = new EarlyPieces(parts.clock, parts.earlyLimits);
  }

  start(): void {
    const { channel, members } = this.#parts;
    this.#unsubscribe.push(
      channel.onMessage((from, message) => {
        if (message.kind === 'assign') void this.#assign(from, message);
        else if (message.kind === 'abort') this.#abort(from, message);
      }),
      members.onLost((peer) => {
        for (const running of this.#running.values()) {
          if (running.coordinator === peer) this.#drop(running, 'the coordinator was lost');
        }
      }),
    );
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const running of this.#running.values()) this.#drop(running, 'this peer is stopping');
    this.#early.stop();
  }

  /** Attempts in hand. */
  get load(): number {
    return this.#running.size;
  }

  /** Bytes reserved for feature maps. */
  get reserved(): number {
    return reservedBytes(this.#reserved);
  }

  admits(from: PeerId, header: PieceHeader): boolean {
    const execution = this.#executionOf(header);
    if (execution !== undefined) return execution.wants(header.block, header.part, header.tensor, header.region);
    return this.#isToCome(header) && this.#early.admit(from, header);
  }

  accept(from: PeerId, piece: Piece): void {
    const execution = this.#executionOf(piece);
    if (execution === undefined) this.#early.keep(from, piece);
    else execution.accept(from, piece);
  }

  #executionOf({ requestId, term, attempt }: AttemptId): Execution | undefined {
    const running = this.#running.get(requestId);
    return running?.id.term === term && running.id.attempt === attempt ? running.execution : undefined;
  }

  /** Whether the plan of an attempt may still arrive, or is being taken in. */
  #isToCome(id: AttemptId): boolean {
    const running = this.#running.get(id.requestId);
    const ended = this.#ended.get(id.requestId);
    if (id.term < this.#fence.highest(id.requestId)) return false;
    return (running === undefined || !isNewer(running.id, id)) && (ended === undefined || isNewer(id, ended));
  }

  #drop(running: Running, reason: string): void {
    const { id } = running;
    running.abort.abort(new MeshError('CANCELLED', reason));
    if (this.#running.get(id.requestId) !== running) return;
    this.#running.delete(id.requestId);
    this.#end({ ...id, coordinator: running.coordinator });
  }

  #end(attempt: Ended): void {
    const ended = this.#ended.get(attempt.requestId);
    if (ended === undefined || !isNewer(ended, attempt)) this.#ended.set(attempt.requestId, attempt);
  }

  /** Whether that attempt of that coordinator is in hand or has ended: its plan has come twice, or too late. */
  #isKnown(coordinator: PeerId, id: AttemptId): boolean {
    const ended = this.#ended.get(id.requestId);
    const running = this.#running.get(id.requestId);
    return (
      (ended?.coordinator === coordinator && isSame(ended, id)) ||
      (running?.coordinator === coordinator && isSame(running.id, id))
    );
  }

  #abort(from: PeerId, { requestId, term, attempt, reason }: AttemptId & { readonly reason: string }): void {
    const running = this.#running.get(requestId);
    // Otherwise it may have overtaken the plan.
    if (running?.id.term !== term) this.#end({ requestId, term, attempt, coordinator: from });
    else if (running.coordinator === from && running.id.attempt <= attempt) this.#drop(running, reason);
  }

  /** Why an assignment cannot be taken, or undefined. */
  #objection(from: PeerId, { requestId, term, attempt, entry }: Assign): MeshError | undefined {
    const { members, standingOf } = this.#parts;
    // Whoever may coordinate this peer's own requests is known here, and nobody can raise their fence.
    const standing = entry === members.self ? standingOf?.(from, { requestId, term, attempt }) : undefined;
    if (standing === 'invented') members.noteFault?.(from);
    if (standing !== undefined && standing !== 'appointed') {
      return new MeshError('STALE_TERM', `term ${term} of this request is not yours`);
    }
    if (!this.#fence.admit(requestId, term)) {
      return new MeshError('STALE_TERM', `term ${term} is over: a newer coordinator has taken this request`);
    }
    const running = this.#running.get(requestId);
    if (running?.id.term === term && running.id.attempt >= attempt) {
      return new MeshError('STALE_TERM', `attempt ${attempt} is over: a newer plan has been made`);
    }
    if (running === undefined && !this.#hasPlaceFor(from)) {
      return new MeshError('OVERLOADED', `this peer already works on ${this.#running.size} requests`);
    }
    return undefined;
  }

  /** Another coordinator gets no more places than it leaves to the others, so that none can take them all. */
  #hasPlaceFor(coordinator: PeerId): boolean {
    const free = this.#parts.maxExecutions - this.#running.size;
    if (coordinator === this.#parts.members.self) return free > 0;
    let own = 0;
    for (const running of this.#running.values()) if (running.coordinator === coordinator) own += 1;
    return own < free;
  }

  async #assign(from: PeerId, message: Assign): Promise<void> {
    const { preparation, ledger, clock } = this.#parts;
    const { digest, plan } = message;
    const id = { requestId: message.requestId, term: message.term, attempt: message.attempt };
    if (this.#isKnown(from, id)) {
      const isCurrent = id.term >= this.#fence.highest(id.requestId);
      // The coordinator has not heard of it.
      if (isCurrent && this.#running.get(id.requestId)?.isReady === true) {
        await this.#reply(from, { kind: 'ready', ...id });
      }
      return;
    }
    const objection = this.#objection(from, message);
    if (objection !== undefined) {
      await this.#reply(from, { kind: 'refuse', ...id, code: objection.code, message: objection.message });
      return;
    }
    const older = this.#running.get(id.requestId);
    if (older !== undefined) this.#drop(older, 'a newer plan has been made');
    const known = preparation.known(digest);
    if (known === undefined && plan === undefined) {
      await this.#reply(from, { kind: 'lack', ...id, isFeed: false });
      return;
    }
    const running = this.#take(from, id);
    running.recording.mark('assigned', id, { peer: from, digest });
    const signs = new WorkSigns({
      clock,
      tell: (sign) => void this.#reply(from, { ...sign, ...id }),
      isComputing: () => running.execution?.isComputing ?? false,
    });
    // What is given up may take its time to end, and is not spoken of any more.
    running.abort.signal.addEventListener('abort', () => signs.stop(), { once: true });
    const stopDeadline = this.#endAt(running, message.deadlineMs);
    try {
      // Nothing is waited for when the plan is known: pieces may be right behind it.
      const prepared = known ?? (await this.#learn(running, message));
      this.#reserve(running, prepared);
      const execution = this.#execute(running, message, prepared, signs);
      if (!this.#takeEarly(execution, id)) {
        await this.#reply(from, { kind: 'missed', ...id });
        return;
      }
      await execution.prepare((completedBytes, totalBytes) => signs.fetched(completedBytes, totalBytes));
      // A newer term may have come meanwhile.
      running.abort.signal.throwIfAborted();
      running.isReady = true;
      signs.prepared();
      running.recording.mark('prepared', id);
      if (message.isAwaited || signs.hasSaidPreparing) await this.#reply(from, { kind: 'ready', ...id });
      const tiles = await execution.finished;
      signs.stop();
      running.recording.mark('finished', id);
      // It could not have finished unless all that it needs something from had the plan and were prepared.
      ledger.note(prepared.plan.participants, digest, 'prepared');
      await this.#reply(from, { kind: 'finished', ...id, report: encodeTileReports(tiles) });
    } catch (error) {
      const failure = toMeshError(error);
      running.recording.mark('gave up', id, { text: failure.message });
      if (!running.abort.signal.aborted) await this.#explain(from, id, running.isReady, failure);
    } finally {
      signs.stop();
      stopDeadline();
      this.#drop(running, 'done');
      running.execution?.release();
      this.#reserved = release(this.#reserved, keyOf(id));
    }
  }

  #take(coordinator: PeerId, id: AttemptId): Running {
    const recording = this.#parts.records.of(id.requestId);
    const running: Running = { id, coordinator, recording, abort: new AbortController(), isReady: false };
    this.#running.set(id.requestId, running);
    return running;
  }

  /** Nobody wants the result after the deadline, whatever has become of the coordinator. Returns how to prevent it. */
  #endAt(running: Running, deadlineMs: number): () => void {
    if (deadlineMs === 0) return () => undefined;
    return this.#parts.clock.after(deadlineMs, () => this.#drop(running, 'the deadline of the request has passed'));
  }

  /** @throws MeshError OVERLOADED when there is no memory for this peer's share of the plan at the moment. */
  #reserve({ id, abort }: Running, { bound, plan, dataflow }: PreparedPlan): void {
    abort.signal.throwIfAborted();
    const { members, mapBytes } = this.#parts;
    const bytes = shareBytes(bound, plan, dataflow, plan.participants.indexOf(members.self));
    const reserved = reserve(this.#reserved, keyOf(id), bytes, mapBytes);
    if (reserved === undefined) {
      const message = `${bytes} bytes for feature maps are not free: other requests hold ${this.reserved} of ${mapBytes}`;
      throw new MeshError('OVERLOADED', message);
    }
    this.#reserved = reserved;
  }

  #learn({ coordinator, abort }: Running, { modelId, digest, plan }: Assign): Promise<PreparedPlan> {
    const { members, models, preparation } = this.#parts;
    if (coordinator !== members.self) models.noteHolder(modelId, coordinator);
    return preparation.learn({ digest, bytes: plan! }, abort.signal);
  }

  #execute(running: Running, { entry }: Assign, prepared: PreparedPlan, signs: WorkSigns): Execution {
    const { members, pieces, models, shelf, clock } = this.#parts;
    const execution = new Execution({
      id: running.id,
      self: members.self,
      entry,
      prepared,
      shelf,
      models,
      pieces,
      clock,
      recording: running.recording,
      signal: running.abort.signal,
      onTile: (tile) => signs.computed(tile),
    });
    running.execution = execution;
    return execution;
  }

  /** Hands on what has come before the plan. False where that is not all there was. */
  #takeEarly(execution: Execution, id: AttemptId): boolean {
    const early = this.#early.claim(id);
    if (early === 'missed') return false;
    for (const { from, piece, arrivedMs } of early) execution.accept(from, piece, arrivedMs);
    return true;
  }

  async #explain(to: PeerId, id: AttemptId, isReady: boolean, failure: MeshError): Promise<void> {
    this.#parts.logger.warn({ ...id, code: failure.code }, failure.message);
    const { code, message } = failure;
    await this.#reply(
      to,
      isReady
        ? { kind: 'failed', ...id, code, message, ...lostPeerOf(failure) }
        : { kind: 'refuse', ...id, code, message },
    );
  }

  /** Answers the coordinator; one that cannot be reached will be noticed by the membership. */
  async #reply(to: PeerId, message: PlanMessage): Promise<void> {
    try {
      await this.#parts.channel.send(to, message);
    } catch (error) {
      this.#parts.logger.debug({ to, kind: message.kind, code: toMeshError(error).code }, 'could not reply');
    }
  }
}
