/**
 * The entry's desk: keeps the input of a request until its answer is delivered, and has a coordinator elected for it, and
 * another one when that one is lost.
 */
import type { Complete, ElectionMessage } from '../../protocols/election/messages.ts';
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import type { Feed } from '../../protocols/plan/messages.ts';
import {
  beginEntry,
  nextTickMs,
  stepEntry,
  type EntryEvent,
  type EntryState,
  type EntryStep,
} from '../core/election/entry.ts';
import { rankCandidates } from '../core/election/rendezvous.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { ModelId, PeerId, RequestId } from '../core/ids.ts';
import type { RunReport } from '../core/report.ts';
import type { Tensor } from '../core/tensor/tensor.ts';
import { Feeding, type FeedingParts } from './feeding.ts';
import type { Clock, MemberProfile, MessageChannel } from './ports.ts';
import { RecentMap } from './recent-map.ts';
import { parseCoordinatorReport } from './run-report.ts';

export interface EntryParts extends FeedingParts {
  readonly elections: MessageChannel<ElectionMessage>;
  readonly clock: Clock;
  /** Requests in hand at a time; further ones are refused. */
  readonly maxRequests: number;
}

export interface EntryRequest {
  readonly requestId: RequestId;
  /** Name under which the client asked, for the report. */
  readonly model: string;
  readonly modelId: ModelId;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly parallelism: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (stage: string, completed: number, total: number, coordinator: PeerId) => void;
}

export interface EntryResult {
  readonly requestId: RequestId;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly report: RunReport;
}

/** Answers kept for clients that ask again with the same request id. */
const REMEMBERED_ANSWERS = 128;
/** A peer without the model has to fetch it first: it coordinates only when no other can. */
const WEIGHT_WITHOUT_MODEL = 0.01;

const weightOf = ({ macsPerSecond, queueDepth, models }: MemberProfile, model: ModelId): number =>
  (Math.max(1, macsPerSecond) / (1 + queueDepth)) * (models.has(model) ? 1 : WEIGHT_WITHOUT_MODEL);

/** One request in hand. */
interface Desk {
  readonly request: EntryRequest;
  readonly startedMs: number;
  readonly done: PromiseWithResolvers<EntryResult>;
  readonly lost: Set<PeerId>;
  state: EntryState;
  readonly feeding: Feeding;
  /** The coordinator's word that all is computed. */
  complete: Complete | undefined;
  stopTimer: () => void;
}

export class Entry {
  readonly #parts: EntryParts;
  readonly #desks = new Map<RequestId, Desk>();
  readonly #answers = new RecentMap<RequestId, Promise<EntryResult>>(REMEMBERED_ANSWERS);
  readonly #unsubscribe: (() => void)[] = [];

  constructor(parts: EntryParts) {
    this.#parts = parts;
  }

  start(): void {
    const { elections, plans, members } = this.#parts;
    this.#unsubscribe.push(
      elections.onMessage((from, message) => this.#message(from, message)),
      plans.onMessage((from, message) => {
        if (message.kind === 'feed') this.#feed(from, message);
      }),
      members.onLost((peer) =>
        this.#each((desk) => {
          if (desk.state.phase.kind !== 'ended' && 'peer' in desk.state.phase && desk.state.phase.peer === peer)
            desk.lost.add(peer);
          this.#step(desk, { kind: 'peerLost', peer });
        }),
      ),
      members.onFound((peer) => this.#each((desk) => this.#step(desk, { kind: 'peerFound', peer }))),
    );
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#each((desk) => this.#step(desk, { kind: 'cancelled' }));
  }

  get load(): number {
    return this.#desks.size;
  }

  #each(visit: (desk: Desk) => void): void {
    for (const desk of [...this.#desks.values()]) visit(desk);
  }

  /**
   * Resolves with the answer. The same request id again brings the same answer, computed once.
   * @throws MeshError of any code; OVERLOADED when too many requests are in hand.
   */
  infer(request: EntryRequest): Promise<EntryResult> {
    const known = this.#answers.get(request.requestId);
    if (known !== undefined) return known;
    if (this.#desks.size >= this.#parts.maxRequests) {
      throw new MeshError(
        'OVERLOADED',
        `this peer already has ${this.#desks.size} requests in hand: try again shortly`,
      );
    }
    const answer = this.#begin(request);
    this.#answers.set(request.requestId, answer);
    answer.catch(() => this.#answers.delete(request.requestId));
    return answer;
  }

  async #begin(request: EntryRequest): Promise<EntryResult> {
    const { members, clock } = this.#parts;
    request.signal.throwIfAborted();
    const candidates = members
      .available()
      .map((member) => ({ peer: member.peer, weight: weightOf(member, request.modelId) }));
    const nowMs = clock.now();
    const first = beginEntry<Complete>(
      request.requestId,
      rankCandidates(request.requestId, candidates),
      nowMs + request.deadlineMs,
      nowMs,
    );
    const desk: Desk = {
      request,
      startedMs: nowMs,
      done: Promise.withResolvers<EntryResult>(),
      lost: new Set(),
      state: first[0],
      feeding: new Feeding(this.#parts, request.inputs, () => this.#moved(desk)),
      complete: undefined,
      stopTimer: () => undefined,
    };
    this.#desks.set(request.requestId, desk);
    const cancel = (): void => this.#step(desk, { kind: 'cancelled' });
    request.signal.addEventListener('abort', cancel, { once: true });
    this.#apply(desk, first);
    try {
      return await desk.done.promise;
    } finally {
      request.signal.removeEventListener('abort', cancel);
      desk.stopTimer();
      desk.feeding.reset();
      this.#desks.delete(request.requestId);
    }
  }

  #step(desk: Desk, event: EntryEvent<Complete>): void {
    this.#apply(desk, stepEntry(desk.state, event, this.#parts.clock.now()));
  }

  #apply(desk: Desk, [state, effects]: EntryStep<Complete>): void {
    const { clock } = this.#parts;
    desk.state = state;
    desk.stopTimer();
    const dueMs = nextTickMs(state);
    desk.stopTimer = Number.isFinite(dueMs)
      ? clock.after(Math.max(1, dueMs - clock.now()), () => this.#step(desk, { kind: 'tick' }))
      : () => undefined;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'propose':
          desk.feeding.reset();
          desk.complete = undefined;
          void this.#propose(desk, effect.peer, effect.term, effect.remainingMs);
          break;
        case 'sendCancel':
          void this.#send(effect.peer, { kind: 'cancel', requestId: state.requestId, term: effect.term });
          break;
        case 'deliver':
          this.#deliver(desk, effect.peer, effect.term, effect.result);
          break;
        case 'giveUp':
          desk.done.reject(new MeshError(effect.failure.code, effect.failure.message));
          break;
      }
    }
  }

  async #send(to: PeerId, message: ElectionMessage): Promise<boolean> {
    try {
      await this.#parts.elections.send(to, message);
      return true;
    } catch (error) {
      this.#parts.logger.debug({ to, kind: message.kind, code: toMeshError(error).code }, 'could not send');
      return false;
    }
  }

  async #propose(desk: Desk, peer: PeerId, term: number, remainingMs: number): Promise<void> {
    const { requestId, modelId, parallelism, inputs } = desk.request;
    const specs = [...inputs].map(([name, { type, shape }]) => ({ name, type, shape }));
    const deadlineMs = Math.max(1, Math.round(remainingMs));
    const isSent = await this.#send(peer, {
      kind: 'propose',
      requestId,
      term,
      modelId,
      parallelism,
      deadlineMs,
      inputs: specs,
    });
    if (!isSent) this.#step(desk, { kind: 'peerLost', peer });
  }

  #message(from: PeerId, message: ElectionMessage): void {
    const desk = this.#desks.get(message.requestId);
    if (desk === undefined) return;
    const { term } = message;
    switch (message.kind) {
      case 'accept':
        this.#step(desk, { kind: 'accepted', peer: from, term, leaseMs: message.leaseMs });
        if (!this.#isLive(desk, from, term)) break;
        desk.request.onProgress?.('coordinator elected', 0, 0, from);
        desk.feeding.follow(from);
        break;
      case 'decline':
        this.#step(desk, { kind: 'declined', peer: from, term, failure: message });
        break;
      case 'renew':
        this.#step(desk, { kind: 'renewed', peer: from, term });
        if (this.#isLive(desk, from, term))
          desk.request.onProgress?.(message.stage, message.completed, message.total, from);
        break;
      case 'complete':
        if (this.#isLive(desk, from, term)) {
          desk.complete = message;
          this.#moved(desk);
        }
        break;
      case 'fail':
        this.#step(desk, { kind: 'failed', peer: from, term, failure: message });
        break;
      case 'propose':
      case 'cancel':
        break;
    }
  }

  #isLive({ state }: Desk, peer: PeerId, term: number): boolean {
    return state.phase.kind === 'running' && state.phase.peer === peer && state.term === term;
  }

  #feed(from: PeerId, feed: Feed): void {
    const desk = this.#desks.get(feed.requestId);
    if (desk === undefined || desk.state.term !== feed.term) return;
    const { phase } = desk.state;
    if ((phase.kind === 'running' || phase.kind === 'proposing') && phase.peer === from) desk.feeding.offer(feed);
  }

  admits(from: PeerId, header: PieceHeader): boolean {
    return this.#desks.get(header.requestId)?.feeding.admits(from, header) ?? false;
  }

  accept(from: PeerId, piece: Piece): void {
    this.#desks.get(piece.requestId)?.feeding.accept(from, piece);
  }

  /** Ends the request once both the coordinator's word and all outputs are here. */
  #moved(desk: Desk): void {
    const { complete, feeding, state } = desk;
    if (complete === undefined || state.phase.kind !== 'running') return;
    const { peer } = state.phase;
    // The coordinator has nothing more to renew, while large outputs may still be on their way.
    this.#step(desk, { kind: 'renewed', peer, term: complete.term });
    if (feeding.handover?.isComplete !== true) return;
    this.#step(desk, { kind: 'completed', peer, term: complete.term, result: complete });
  }

  #deliver(desk: Desk, coordinator: PeerId, term: number, complete: Complete): void {
    const { members, clock } = this.#parts;
    const { request, feeding, lost, startedMs } = desk;
    try {
      const { handover } = feeding;
      const report = parseCoordinatorReport(complete.report);
      if (report === undefined || handover === undefined) {
        throw new MeshError('INVALID_MESSAGE', 'the coordinator sent no readable report');
      }
      const { requestId, model, modelId } = request;
      const lostPeers = [...new Set([...lost, ...report.lostPeers])];
      const elapsedMs = clock.now() - startedMs;
      const computing = report.blocks.flatMap((block) => block.parts.map(({ peer }) => peer));
      const named = new Set([coordinator, members.self, ...computing, ...lostPeers]);
      const names = Object.fromEntries([...named].map((peer) => [peer, members.nameOf(peer)]));
      const parties = { coordinator, entry: members.self, names, term, lostPeers };
      const bytesThroughEntry = report.bytesThroughEntry + handover.bytesSent;
      const full = { ...report, model, modelId, ...parties, elapsedMs, bytesThroughEntry };
      desk.done.resolve({ requestId, outputs: handover.outputs(), report: full });
    } catch (error) {
      desk.done.reject(toMeshError(error));
    }
  }
}
