/**
 * A request whose id its client chose is answered once in the mesh, at whichever peers it is asked.
 *
 * Each such id has two keepers, the first two peers in the rendezvous order of the id. An entry claims the id at the first,
 * which says who answers it: this entry, and the second keeper is told; or another one, which then gives its answer as soon
 * as it has it. An entry that is lost loses what it owned. Ids that this peer made up itself need no keeper.
 *
 * **What is guaranteed.** While the keepers and the owner live and all peers see the same members, a request is computed
 * once and everybody gets that answer, for as long as it is remembered (`AnswerMemory`). When the first keeper dies, the second
 * one, which is first now, still knows. When both die, or the owner dies, or views differ, or a keeper does not answer in
 * time, it may be computed again: the answer is the same then, since nothing of it depends on who computes, only the work is
 * done twice.
 */
import { MAX_ANSWER_BYTES, PART_BYTES } from '../../protocols/answers/constants.ts';
import type { AnswerMessage, Claim, Part, Verdict } from '../../protocols/answers/messages.ts';
import { createClaims, type Claims } from '../core/election/claims.ts';
import { rankCandidates } from '../core/election/rendezvous.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import type { Logger } from '../observability/logger.ts';
import { decodeParcel, encodeParcel } from './answer-parcel.ts';
import type { EntryResult } from './entry-desk.ts';
import type { Clock, MemberDirectory, MessageChannel } from './ports.ts';

export interface RecallParts {
  readonly members: MemberDirectory;
  readonly answers: MessageChannel<AnswerMessage>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long an answer is wanted. */
export interface Remaining {
  /** Absolute, on the clock of this peer. */
  readonly endMs: number;
  readonly signal: AbortSignal;
}

/** What the entry of this peer has of a request: its answer, now or later; undefined for nothing. */
export type OwnAnswer = (requestId: RequestId, deadlineMs: number) => Promise<EntryResult> | undefined;

/** Who answers; `generation` counts those that were to. */
interface Ownership {
  readonly by: PeerId;
  readonly generation: number;
}

/** A keeper that says nothing for this long is passed over; */
const VERDICT_MS = 500;
/** and after this long the next one is asked as well. */
const NEXT_KEEPER_MS = 150;
/** An answer that has not come by then is asked for again, later each time: the question or a part of it may be lost. */
const FIRST_RECALL_MS = 2_000;
/** Whoever has not answered for so long is doubted, again and again. */
const DOUBT_MS = 250;
const KEEPERS = 2;
/** An entry that is overtaken so often gives up. */
const MOST_OVERTAKEN = 3;

type Outcome = EntryResult | 'absent' | 'lost';

interface Fetching {
  readonly owner: PeerId;
  readonly parts: Uint8Array[];
  received: number;
  readonly settle: (outcome: Outcome) => void;
}

export class Recall {
  readonly #parts: RecallParts;
  readonly #ownAnswer: OwnAnswer;
  readonly #claims: Claims = createClaims();
  /** Claims that wait for their verdict, by id and keeper. */
  readonly #claiming = new Map<string, (verdict: Verdict | undefined) => void>();
  readonly #fetching = new Map<RequestId, Fetching>();
  readonly #unsubscribe: (() => void)[] = [];

  constructor(parts: RecallParts, ownAnswer: OwnAnswer) {
    this.#parts = parts;
    this.#ownAnswer = ownAnswer;
  }

  start(): void {
    const { answers, members } = this.#parts;
    this.#unsubscribe.push(
      answers.onMessage((from, message) => this.#hear(from, message)),
      members.onLost((peer) => this.#lose(peer)),
    );
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const { settle } of this.#fetching.values()) settle('lost');
    for (const settle of this.#claiming.values()) settle(undefined);
  }

  /**
   * Computes the answer, or has it from the peer that does.
   * @param compute told how often the id was given out before, so that its terms come after those.
   * @throws MeshError CONFLICT when the id stands for another question; what `compute` throws.
   */
  async once(
    requestId: RequestId,
    question: string,
    remaining: Remaining,
    compute: (generation: number) => Promise<EntryResult>,
  ): Promise<EntryResult> {
    const { members, clock } = this.#parts;
    let insteadOf: PeerId | undefined;
    let overtaken = 0;
    /** Of this peer: no term twice. */
    let last = 0;
    for (;;) {
      remaining.signal.throwIfAborted();
      const { by, generation } = await this.#claim(requestId, question, insteadOf);
      if (by === members.self) {
        try {
          last = Math.max(generation, last + 1);
          return await this.#compute(requestId, () => compute(last));
        } catch (error) {
          // This peer was taken to be lost, and another one answers.
          overtaken += 1;
          if (toMeshError(error).code !== 'STALE_TERM' || overtaken > MOST_OVERTAKEN) throw error;
          insteadOf = undefined;
          continue;
        }
      }
      const outcome = await this.#fetch(by, requestId, remaining);
      if (typeof outcome === 'object') return outcome;
      if (clock.now() >= remaining.endMs)
        throw new MeshError('DEADLINE_EXCEEDED', 'another peer did not answer in time');
      insteadOf = by;
    }
  }

  async #compute(requestId: RequestId, compute: () => Promise<EntryResult>): Promise<EntryResult> {
    try {
      return await compute();
    } catch (error) {
      for (const keeper of this.#keepers(requestId)) void this.#send(keeper, { kind: 'release', requestId });
      throw error;
    }
  }

  #keepers(requestId: RequestId): readonly PeerId[] {
    const candidates = this.#parts.members.available().map(({ peer }) => ({ peer, weight: 1 }));
    return rankCandidates(requestId, candidates).slice(0, KEEPERS);
  }

  async #claim(requestId: RequestId, question: string, insteadOf: PeerId | undefined): Promise<Ownership> {
    const { members } = this.#parts;
    const { self } = members;
    const claim = { kind: 'claim', requestId, question, ...(insteadOf === undefined ? {} : { insteadOf }) } as const;
    const keepers = this.#keepers(requestId);
    const doubtful = new Set(members.doubtful?.());
    const [keeper, verdict] = await this.#firstVerdict(
      [...keepers].sort((one, other) => Number(doubtful.has(one)) - Number(doubtful.has(other))),
      { ...claim, granted: 0 },
    );
    if (verdict === undefined) return { by: self, generation: 1 };
    const { owner, generation } = verdict;
    if (owner === undefined) throw conflict(requestId);
    if (owner === self) {
      const others = keepers.filter((other) => other !== keeper);
      for (const other of others) void this.#send(other, { ...claim, granted: generation });
    }
    return { by: owner, generation };
  }

  /** The verdict that comes first; the next keeper is asked when those before said nothing for a while. */
  async #firstVerdict(
    keepers: readonly PeerId[],
    claim: Claim,
  ): Promise<readonly [keeper: PeerId | undefined, verdict: Verdict | undefined]> {
    const { clock } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<readonly [PeerId | undefined, Verdict | undefined]>();
    const left = [...keepers];
    let stopTimer = (): void => undefined;
    let asked = 0;
    const askNext = (): void => {
      stopTimer();
      const keeper = left.shift();
      if (keeper === undefined) {
        if (asked === 0) resolve([undefined, undefined]);
        return;
      }
      asked += 1;
      if (left.length > 0) stopTimer = clock.after(NEXT_KEEPER_MS, askNext);
      void this.#ask(keeper, claim).then((verdict) => {
        asked -= 1;
        if (verdict === undefined) askNext();
        else resolve([keeper, verdict]);
      });
    };
    askNext();
    try {
      return await promise;
    } finally {
      stopTimer();
      left.length = 0;
    }
  }

  /** Undefined when the keeper does not say. */
  async #ask(keeper: PeerId, claim: Claim): Promise<Verdict | undefined> {
    const { members, clock } = this.#parts;
    if (keeper === members.self) return this.#judge(members.self, claim);
    const key = keyOf(claim.requestId, keeper);
    const { promise, resolve } = Promise.withResolvers<Verdict | undefined>();
    const stopTimer = clock.after(VERDICT_MS, () => resolve(undefined));
    const stopDoubts = this.#keepDoubting(keeper);
    this.#claiming.set(key, resolve);
    try {
      if (!(await this.#send(keeper, claim))) return undefined;
      return await promise;
    } finally {
      stopTimer();
      stopDoubts();
      if (this.#claiming.get(key) === resolve) this.#claiming.delete(key);
    }
  }

  #judge(claimant: PeerId, { requestId, question, insteadOf }: Claim): Verdict {
    const verdict = this.#claims.claim(requestId, { claimant, question, insteadOf }, this.#parts.clock.now());
    if (verdict.kind === 'conflict') return { kind: 'verdict', requestId, generation: 1 };
    return { kind: 'verdict', requestId, owner: verdict.by, generation: verdict.generation };
  }

  async #fetch(owner: PeerId, requestId: RequestId, { endMs, signal }: Remaining): Promise<Outcome> {
    const { clock } = this.#parts;
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const fetching: Fetching = { owner, parts: [], received: 0, settle: resolve };
    const cancel = (): void => reject(toMeshError(signal.reason, 'CANCELLED'));
    signal.addEventListener('abort', cancel, { once: true });
    const deadlineMs = Math.max(1, endMs - clock.now());
    const stopTimer = clock.after(deadlineMs, () => resolve('lost'));
    const recall = { kind: 'recall', requestId, deadlineMs } as const;
    let askAgainMs = FIRST_RECALL_MS;
    const askAgain = (): void => {
      void this.#send(owner, recall);
      askAgainMs *= 2;
      stopAsking = clock.after(askAgainMs, askAgain);
    };
    let stopAsking = clock.after(askAgainMs, askAgain);
    const stopDoubts = this.#keepDoubting(owner);
    this.#fetching.set(requestId, fetching);
    try {
      if (!(await this.#send(owner, recall))) return 'lost';
      return await promise;
    } finally {
      stopTimer();
      stopDoubts();
      stopAsking();
      signal.removeEventListener('abort', cancel);
      if (this.#fetching.get(requestId) === fetching) this.#fetching.delete(requestId);
    }
  }

  /** Has it noticed soon that a peer is gone from which an answer is awaited. Returns how to stop. */
  #keepDoubting(peer: PeerId): () => void {
    const { clock, members } = this.#parts;
    let stop = (): void => undefined;
    const wait = (): void => {
      stop = clock.after(DOUBT_MS, () => {
        members.doubt?.(peer);
        wait();
      });
    };
    wait();
    return () => stop();
  }

  #hear(from: PeerId, message: AnswerMessage): void {
    const { requestId } = message;
    switch (message.kind) {
      case 'claim':
        if (message.granted === 0) void this.#send(from, this.#judge(from, message));
        else {
          const claim = { claimant: from, question: message.question };
          this.#claims.adopt(requestId, claim, message.granted, this.#parts.clock.now());
        }
        break;
      case 'verdict':
        this.#claiming.get(keyOf(requestId, from))?.(message);
        break;
      case 'release':
        this.#claims.release(requestId, from);
        break;
      case 'recall':
        void this.#give(from, requestId, message.deadlineMs);
        break;
      case 'part':
        this.#take(from, message);
        break;
      case 'absent': {
        const fetching = this.#fetching.get(requestId);
        if (fetching?.owner === from) fetching.settle('absent');
        break;
      }
    }
  }

  /** Gives an answer to another peer, in parts, when it is there. */
  async #give(to: PeerId, requestId: RequestId, deadlineMs: number): Promise<void> {
    const { answers, logger } = this.#parts;
    try {
      // Whoever waits for an answer itself must not be waited for.
      const result = this.#fetching.has(requestId) ? undefined : await this.#ownAnswer(requestId, deadlineMs);
      const parcel = result === undefined ? undefined : encodeParcel(result);
      if (parcel === undefined || parcel.byteLength > MAX_ANSWER_BYTES) {
        await answers.send(to, { kind: 'absent', requestId });
        return;
      }
      const total = parcel.byteLength;
      for (let offset = 0; offset < total; offset += PART_BYTES) {
        const bytes = parcel.subarray(offset, offset + PART_BYTES);
        await answers.send(to, { kind: 'part', requestId, total, offset, bytes });
      }
    } catch (error) {
      logger.debug({ to, requestId, code: toMeshError(error).code }, 'could not give an answer to another peer');
      await this.#send(to, { kind: 'absent', requestId });
    }
  }

  #take(from: PeerId, { requestId, total, offset, bytes }: Part): void {
    const fetching = this.#fetching.get(requestId);
    if (fetching?.owner !== from) return;
    if (offset === 0) {
      fetching.parts.length = 0;
      fetching.received = 0;
    }
    if (offset !== fetching.received) return;
    // Messages to oneself aside, what arrives may be a view of memory that is used again.
    fetching.parts.push(bytes.slice());
    fetching.received += bytes.byteLength;
    if (fetching.received < total) return;
    try {
      fetching.settle(decodeParcel(requestId, Buffer.concat(fetching.parts)));
    } catch (error) {
      this.#parts.logger.warn({ from, requestId, code: toMeshError(error).code }, toMeshError(error).message);
      fetching.settle('absent');
    }
  }

  #lose(peer: PeerId): void {
    this.#claims.forget(peer);
    for (const fetching of this.#fetching.values()) if (fetching.owner === peer) fetching.settle('lost');
    for (const [key, settle] of this.#claiming) if (key.endsWith(`/${peer}`)) settle(undefined);
  }

  async #send(to: PeerId, message: AnswerMessage): Promise<boolean> {
    try {
      await this.#parts.answers.send(to, message);
      return true;
    } catch (error) {
      this.#parts.logger.debug({ to, kind: message.kind, code: toMeshError(error).code }, 'could not send');
      return false;
    }
  }
}

const keyOf = (requestId: RequestId, keeper: PeerId): string => `${requestId}/${keeper}`;

export const conflict = (requestId: RequestId): MeshError =>
  new MeshError('CONFLICT', `request ${requestId} asks something else than before: give each request an id of its own`);
