/** The participant: takes assignments, computes its tiles, refuses work of coordinators that have been replaced. */
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import type { Assign, PlanMessage } from '../../protocols/plan/messages.ts';
import { createFence, type Fence } from '../core/election/fence.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import { asPeerId, type PeerId, type RequestId } from '../core/ids.ts';
import type { Logger } from '../observability/logger.ts';
import { Execution, type AttemptId } from './execution.ts';
import type { Clock, MemberDirectory, MessageChannel, ModelAccess, PieceChannel } from './ports.ts';
import type { Preparation } from './preparation.ts';
import type { ProgramShelf } from './program-shelf.ts';

export interface WorkerParts {
  readonly members: MemberDirectory;
  readonly channel: MessageChannel<PlanMessage>;
  readonly pieces: PieceChannel;
  readonly models: ModelAccess;
  readonly preparation: Preparation;
  readonly shelf: ProgramShelf;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Attempts in hand at a time; further ones are refused. */
  readonly maxExecutions: number;
}

interface Running {
  readonly id: AttemptId;
  readonly coordinator: PeerId;
  readonly abort: AbortController;
  execution?: Execution;
}

/** The coordinator hears of progress in fetching weights no more often. */
const PREPARING_INTERVAL_MS = 200;
/** Requests whose newest term is remembered. */
const FENCED_REQUESTS = 4096;

export class Worker {
  readonly #parts: WorkerParts;
  readonly #fence: Fence = createFence(FENCED_REQUESTS);
  readonly #running = new Map<RequestId, Running>();
  readonly #unsubscribe: (() => void)[] = [];

  constructor(parts: WorkerParts) {
    this.#parts = parts;
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
  }

  /** Attempts in hand. */
  get load(): number {
    return this.#running.size;
  }

  admits({ requestId, term, attempt, block, part, tensor, region }: PieceHeader): boolean {
    const execution = this.#executionOf(requestId, term, attempt);
    return execution?.wants(block, part, tensor, region) ?? false;
  }

  accept(from: PeerId, piece: Piece): void {
    this.#executionOf(piece.requestId, piece.term, piece.attempt)?.accept(from, piece);
  }

  #executionOf(requestId: RequestId, term: number, attempt: number): Execution | undefined {
    const running = this.#running.get(requestId);
    return running?.id.term === term && running.id.attempt === attempt ? running.execution : undefined;
  }

  #drop(running: Running, reason: string): void {
    running.abort.abort(new MeshError('CANCELLED', reason));
    if (this.#running.get(running.id.requestId) === running) this.#running.delete(running.id.requestId);
  }

  #abort(from: PeerId, { requestId, term, attempt, reason }: AttemptId & { readonly reason: string }): void {
    const running = this.#running.get(requestId);
    if (running?.coordinator !== from || running.id.term !== term || running.id.attempt > attempt) return;
    this.#drop(running, reason);
  }

  /** Why an assignment cannot be taken, or undefined. */
  #objection({ requestId, term, attempt }: Assign): MeshError | undefined {
    if (!this.#fence.admit(requestId, term)) {
      return new MeshError('STALE_TERM', `term ${term} is over: a newer coordinator has taken this request`);
    }
    const running = this.#running.get(requestId);
    if (running?.id.term === term && running.id.attempt >= attempt) {
      return new MeshError('STALE_TERM', `attempt ${attempt} is over: a newer plan has been made`);
    }
    if (running === undefined && this.#running.size >= this.#parts.maxExecutions) {
      return new MeshError('OVERLOADED', `this peer already works on ${this.#running.size} requests`);
    }
    return undefined;
  }

  async #assign(from: PeerId, message: Assign): Promise<void> {
    const id = { requestId: message.requestId, term: message.term, attempt: message.attempt };
    const objection = this.#objection(message);
    if (objection !== undefined) {
      await this.#reply(from, { kind: 'refuse', ...id, code: objection.code, message: objection.message });
      return;
    }
    const older = this.#running.get(id.requestId);
    if (older !== undefined) this.#drop(older, 'a newer plan has been made');
    const running: Running = { id, coordinator: from, abort: new AbortController() };
    this.#running.set(id.requestId, running);
    let isReady = false;
    try {
      const execution = await this.#prepare(running, message);
      isReady = true;
      await this.#reply(from, { kind: 'ready', ...id });
      const tiles = await execution.finished;
      await this.#reply(from, { kind: 'finished', ...id, report: new TextEncoder().encode(JSON.stringify(tiles)) });
    } catch (error) {
      if (!running.abort.signal.aborted) await this.#explain(from, id, isReady, toMeshError(error));
    } finally {
      this.#drop(running, 'done');
      running.execution?.release();
    }
  }

  async #prepare(running: Running, message: Assign): Promise<Execution> {
    const { members, pieces, models, shelf, preparation, clock } = this.#parts;
    const { signal } = running.abort;
    if (running.coordinator !== members.self) models.noteHolder(message.modelId, running.coordinator);
    const prepared = await preparation.plan(message.plan, signal);
    const execution = new Execution({
      id: running.id,
      self: members.self,
      coordinator: running.coordinator,
      prepared,
      shelf,
      models,
      pieces,
      signal,
      onTile: ({ block, part, computeMs }) => {
        void this.#reply(running.coordinator, { kind: 'progress', ...running.id, block, part, computeMs });
      },
    });
    running.execution = execution;
    let toldMs = -Infinity;
    await execution.prepare((completedBytes, totalBytes) => {
      const nowMs = clock.now();
      if (nowMs - toldMs < PREPARING_INTERVAL_MS) return;
      toldMs = nowMs;
      void this.#reply(running.coordinator, { kind: 'preparing', ...running.id, completedBytes, totalBytes });
    });
    return execution;
  }

  async #explain(to: PeerId, id: AttemptId, isReady: boolean, failure: MeshError): Promise<void> {
    this.#parts.logger.warn({ ...id, code: failure.code }, failure.message);
    const { lostPeer } = failure.details;
    const { code, message } = failure;
    await this.#reply(
      to,
      isReady
        ? {
            kind: 'failed',
            ...id,
            code,
            message,
            ...(typeof lostPeer === 'string' && { lostPeer: asPeerId(lostPeer) }),
          }
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
