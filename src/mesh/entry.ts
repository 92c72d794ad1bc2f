/** The entry: has each request that comes in at this peer answered, once, however often it is asked. */
import { createHash, randomInt } from 'node:crypto';
import type { ElectionMessage } from '../../protocols/election/messages.ts';
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import { MeshError, toMeshError, type Failure } from '../core/errors.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import { AnswerMemory, tensorBytes } from './answer-memory.ts';
import type { AttemptId } from './attempt-id.ts';
import { EntryDesk, type EntryDeskParts, type EntryRequest, type EntryResult, type Standing } from './entry-desk.ts';
import { inPrivate } from './private-request.ts';
import { conflict, Recall, type RecallParts } from './recall.ts';
import { SharedRuns } from './shared-runs.ts';
import { Turnstile } from './turnstile.ts';
import { Verification } from './verification.ts';

export interface EntryLimits {
  /** Requests of this peer that run at a time in a mesh of one; other peers add as many, less what came in there. */
  readonly maxConcurrent: number;
  /** Requests that wait; further ones are refused. */
  readonly maxQueued: number;
  /** Of inputs of requests that run or wait. */
  readonly maxInputBytes: number;
}

export interface EntryParts extends EntryDeskParts {
  readonly answers: RecallParts['answers'];
  readonly limits: EntryLimits;
  /** The share of the answers that is verified unasked, from 0 to 1. */
  readonly verifiedShare: number;
}

/** A request as a client asks it. */
export interface ClientRequest extends EntryRequest {
  /** Who shares this peer's attention with others: requests of one client wait in a line of their own. */
  readonly client: string;
  /** Whether the client chose the id, and so may ask again. */
  readonly isNamed: boolean;
  /** Whether the answer is verified before it is given: see `Verification`. */
  readonly isVerified?: boolean;
}

/** More than one entry can use, so that the terms of the next entry to answer the same request come after them. */
const TERMS_PER_GENERATION = 1024;

/** Verified answers are drawn among so many. */
const DRAWS = 2 ** 32;

/** What is asked, so that another question under the same id is noticed. */
function questionOf({ modelId, inputs, isVerified = false }: ClientRequest): string {
  const hash = createHash('sha256').update(modelId);
  if (isVerified) hash.update('verified');
  for (const [name, { type, shape, bytes }] of [...inputs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(JSON.stringify([name, type, shape])).update(bytes);
  }
  return hash.digest('hex');
}

export class Entry {
  readonly #parts: EntryParts;
  readonly #desks = new Map<RequestId, EntryDesk>();
  readonly #runs = new SharedRuns<EntryResult>();
  readonly #answers: AnswerMemory;
  readonly #turnstile: Turnstile;
  readonly #recall: Recall;
  readonly #verification: Verification;
  readonly #unsubscribe: (() => void)[] = [];
  #isDraining = false;
  #isStopped = false;
  readonly #stop = new AbortController();

  constructor(parts: EntryParts) {
    this.#parts = parts;
    const { clock, limits } = parts;
    this.#answers = new AnswerMemory(clock);
    this.#turnstile = new Turnstile({
      clock,
      maxWaiting: limits.maxQueued,
      maxBytes: limits.maxInputBytes,
      places: () => this.#places(),
    });
    this.#verification = new Verification({
      ...parts,
      share: parts.verifiedShare,
      random: () => randomInt(DRAWS) / DRAWS,
      answer: (request) => this.#run(request),
    });
    this.#recall = new Recall(parts, (requestId, waitMs) => this.#ownAnswer(requestId, waitMs));
  }

  start(): void {
    const { elections, plans, members } = this.#parts;
    this.#recall.start();
    this.#unsubscribe.push(
      elections.onMessage((from, message) => {
        const desk = this.#desks.get(message.requestId);
        if (desk !== undefined) desk.message(from, message);
        else if (message.kind === 'accept' || message.kind === 'renew') this.#release(from, message);
      }),
      plans.onMessage((from, message) => {
        if (message.kind === 'feed') this.#desks.get(message.requestId)?.feed(from, message);
      }),
      members.onLost((peer) => this.#each((desk) => desk.peerLost(peer))),
      members.onFound((peer) => this.#each((desk) => desk.peerFound(peer))),
    );
  }

  stop(): void {
    this.#isStopped = true;
    this.#stop.abort(stopping());
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#recall.stop();
    this.#each((desk) => desk.cancel());
  }

  /** Wants no new requests from now on: see `refusal`. Those whose clients were not refused are still taken. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Somebody coordinates a request that has ended here. */
  #release(coordinator: PeerId, { requestId, term }: ElectionMessage): void {
    // One that cannot be reached any more has lost its entry, and lets go by itself.
    this.#parts.elections.send(coordinator, { kind: 'cancel', requestId, term }).catch(() => undefined);
  }

  /** Requests that run. */
  get load(): number {
    return this.#turnstile.running;
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#turnstile.waiting;
  }

  /** What the mesh can run at a time, less what came in at other peers; never less than this peer's own share. */
  #places(): number {
    const { members, limits } = this.#parts;
    const others = members.available().filter(({ peer }) => peer !== members.self);
    const elsewhere = others.reduce((sum, { activeRequests }) => sum + activeRequests, 0);
    return Math.max(limits.maxConcurrent, limits.maxConcurrent * (others.length + 1) - elsewhere);
  }

  #each(visit: (desk: EntryDesk) => void): void {
    for (const desk of [...this.#desks.values()]) visit(desk);
  }

  /** Why a request of this client would not be taken now; undefined where it would. Cheap: nothing of it need be read. */
  refusal(client: string): Failure | undefined {
    if (this.#isDraining || this.#isStopped) return stopping();
    return this.#turnstile.refusal(client);
  }

  /**
   * Resolves with the answer. The same request id again, here or at another peer, brings the same answer, computed once, while
   * it is remembered: see `Recall` for what is guaranteed when peers are lost.
   * @throws MeshError of any code; OVERLOADED when this peer has too much in hand, with `retryAfterMs` in its details;
   *   CONFLICT when the id stands for another question.
   */
  async infer(request: ClientRequest): Promise<EntryResult> {
    const { requestId, isNamed, signal } = request;
    const question = isNamed ? questionOf(request) : '';
    const remembered = this.#answers.get(requestId);
    const asked = remembered?.question ?? this.#runs.questionOf(requestId);
    if (asked !== undefined && asked !== question) throw conflict(requestId);
    if (remembered !== undefined) return remembered.result;
    if (this.#isStopped) throw stopping();
    return this.#runs.share(requestId, question, signal, async (shared) => {
      const { tolerance, ...result } = await this.#inTurn({ ...request, signal: shared }, question);
      const keep = ({ outputs, report }: EntryResult): void => {
        if (isNamed) this.#answers.keep(requestId, { result: { requestId, outputs, report }, question });
      };
      keep(result);
      // Those of other entries are theirs to verify.
      if (tolerance !== undefined && request.isVerified !== true) {
        // The client has its answer by then, and may be gone.
        this.#verification.sample({ ...request, signal: this.#stop.signal }, { ...result, tolerance }, keep);
      }
      return result;
    });
  }

  /** What there is of a request here, for another peer. */
  #ownAnswer(requestId: RequestId, waitMs: number): Promise<EntryResult> | undefined {
    const remembered = this.#answers.get(requestId);
    if (remembered !== undefined) return Promise.resolve(remembered.result);
    return this.#runs.join(requestId, AbortSignal.timeout(waitMs));
  }

  #inTurn(request: ClientRequest, question: string): Promise<EntryResult> {
    const { requestId, isNamed, client, model, deadlineMs, signal, inputs } = request;
    const endMs = this.#parts.clock.now() + deadlineMs;
    const entrant = { client, model, deadlineMs, signal, bytes: tensorBytes(inputs) };
    const leftMs = (): number => Math.max(1, endMs - this.#parts.clock.now());
    const verified = async (result: EntryResult): Promise<EntryResult> =>
      request.isVerified === true ? this.#verification.confirm({ ...request, deadlineMs: leftMs() }, result) : result;
    const compute = async (generation: number): Promise<EntryResult> => {
      const termsBefore = (generation - 1) * TERMS_PER_GENERATION;
      const result = await this.#run({ ...request, deadlineMs: leftMs(), termsBefore });
      return verified(result);
    };
    return this.#turnstile.pass(entrant, async () => {
      try {
        return await (isNamed ? this.#recall.once(requestId, question, { endMs, signal }, compute) : compute(1));
      } catch (error) {
        // Others contest the terms that this peer gives out, and have no answer for it: so they see nothing of the next ones.
        if (!(error instanceof MeshError) || error.code !== 'STALE_TERM') throw error;
        return verified(await this.#answerInPrivate(request, endMs, error));
      }
    });
  }

  /** By this peer alone, or else by each other alone, for as long as there is time. */
  async #answerInPrivate(request: EntryRequest, endMs: number, contested: MeshError): Promise<EntryResult> {
    const { members, clock, logger } = this.#parts;
    const { requestId, signal } = request;
    logger.warn({ requestId }, 'others say that they coordinate this request: it is asked of one peer at a time');
    const others = members.available().filter(({ peer }) => peer !== members.self);
    for (const peer of [members.self, ...others.map((other) => other.peer)]) {
      const deadlineMs = endMs - clock.now();
      if (deadlineMs <= 0) break;
      try {
        return { ...(await this.#run({ ...inPrivate(request, [peer], members), deadlineMs })), requestId };
      } catch (error) {
        signal.throwIfAborted();
        logger.debug({ requestId, peer, code: toMeshError(error).code }, 'a request could not be answered alone');
      }
    }
    throw contested;
  }

  async #run(request: EntryRequest): Promise<EntryResult> {
    const { requestId, signal } = request;
    signal.throwIfAborted();
    const desk = new EntryDesk(this.#parts, request);
    this.#desks.set(requestId, desk);
    try {
      return await desk.answer();
    } finally {
      if (this.#desks.get(requestId) === desk) this.#desks.delete(requestId);
    }
  }

  /** Of somebody who says that it coordinates a request of this peer. */
  standingOf(coordinator: PeerId, { requestId, term }: AttemptId): Standing {
    return this.#desks.get(requestId)?.standingOf(coordinator, term) ?? 'over';
  }

  admits(from: PeerId, header: PieceHeader): boolean {
    return this.#desks.get(header.requestId)?.admits(from, header) ?? false;
  }

  accept(from: PeerId, piece: Piece): void {
    this.#desks.get(piece.requestId)?.accept(from, piece);
  }
}

const stopping = (): MeshError => new MeshError('UNAVAILABLE', 'this peer is about to stop: ask another one');
