/**
 * Verifying answers at their entry: another peer computes the same, alone, and the two are compared. A sample of what was cut
 * over many is first computed again by some of them together, cut otherwise, so that no board stands still for it. Whether an answer is
 * verified is drawn when it is there, so nobody can know it while they compute. Where two differ, all that had a part in the
 * answer are heard one by one, each alone with a request that looks like any other; what most say is given out, and whoever is
 * seen to lie is convicted. The entry does all this itself, so no third peer's word counts.
 */
import type { Tolerance } from '../core/compare.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { PeerId } from '../core/ids.ts';
import {
  agree,
  contradicts,
  HONEST_TOLERANCE,
  judge,
  type Opinion,
  type Outputs,
  type Verdict,
} from '../core/verdict.ts';
import type { Logger } from '../observability/logger.ts';
import type { EntryRequest, EntryResult } from './entry-desk.ts';
import type { Clock, MemberDirectory } from './ports.ts';
import { inPrivate } from './private-request.ts';

export interface VerificationParts {
  readonly members: MemberDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The share of the answers that is verified unasked, from 0 to 1. */
  readonly share: number;
  /** From 0 to 1, and nobody else can tell it beforehand. */
  readonly random: () => number;
  /** Has the mesh answer a request. */
  readonly answer: (request: EntryRequest) => Promise<EntryResult>;
}

/** One answer that is being verified. */
interface Case {
  readonly request: EntryRequest;
  readonly result: EntryResult;
  readonly tolerance: Tolerance;
  /** On the clock of this peer. */
  readonly endMs: number;
}

const computersOf = ({ report }: EntryResult): ReadonlySet<PeerId> =>
  new Set(report.blocks.flatMap(({ parts }) => parts.map(({ peer }) => peer)));

/** What was cut over fewer peers is as soon computed by one. */
const LEAST_CUT = 4;

export class Verification {
  readonly #parts: VerificationParts;
  #isSampling = false;

  constructor(parts: VerificationParts) {
    this.#parts = parts;
  }

  /**
   * Verifies a share of the answers, one at a time, after they were given out; those that are drawn meanwhile are left out.
   * @param onCorrected called with the right answer where what was given out is wrong.
   */
  sample(request: EntryRequest, result: EntryResult, onCorrected: (right: EntryResult) => void): void {
    const { share, random, logger } = this.#parts;
    if (random() >= share || this.#isSampling) return;
    this.#isSampling = true;
    this.#seemsRight(this.#caseOf(request, result))
      .then(async (isRight) => {
        if (isRight) return;
        const right = await this.confirm(request, result);
        if (right.report.verification?.isCorrected === true) onCorrected(right);
      })
      .catch((error: unknown) => {
        const { code, message } = toMeshError(error);
        logger.debug({ requestId: request.requestId, code }, `an answer could not be verified: ${message}`);
      })
      .finally(() => {
        this.#isSampling = false;
      });
  }

  /**
   * The right answer to the request, within its deadline from now on.
   * @throws MeshError UNAVAILABLE where nobody can verify it, or no two peers say the same.
   */
  async confirm(request: EntryRequest, result: EntryResult): Promise<EntryResult> {
    const matter = this.#caseOf(request, result);
    const { tolerance } = matter;
    const checkers = this.#checkers(computersOf(result));
    // In a mesh of one there is nobody to ask, and nobody who could lie.
    if (checkers.length === 0) return verified(result, { confirmedBy: [], isCorrected: false, liars: [] });
    const second = await this.#firstOf(matter, checkers);
    if (agree(second.outputs, result.outputs, tolerance)) {
      return verified(result, { confirmedBy: [second.peer], isCorrected: false, liars: [] });
    }
    return this.#settle(matter, second);
  }

  #caseOf(request: EntryRequest, result: EntryResult): Case {
    const { tolerance = HONEST_TOLERANCE } = result;
    return { request, result, tolerance, endMs: this.#parts.clock.now() + request.deadlineMs };
  }

  /**
   * Whether half as many peers, none of which had the last word in the answer, come to the same together. Where one of them
   * spoils its part it spoils another part than before, so that the two differ. False also where it cannot be told so.
   */
  async #seemsRight(matter: Case): Promise<boolean> {
    const { result, tolerance } = matter;
    const computers = computersOf(result);
    const last = new Set(result.report.blocks.at(-1)?.parts.map(({ peer }) => peer));
    const size = Math.ceil(computers.size / 2);
    const group = this.#others()
      .filter((peer) => !last.has(peer))
      .slice(0, size);
    if (computers.size < LEAST_CUT || group.length < size) return false;
    const outputs = await this.#computedBy(matter, group, 0);
    return outputs !== undefined && agree(outputs, result.outputs, tolerance);
  }

  /** Who may compute it again, in the order in which they are asked: this peer, or one that had no part in it. */
  #checkers(computers: ReadonlySet<PeerId>): readonly PeerId[] {
    const { self } = this.#parts.members;
    const others = this.#others().filter((peer) => !computers.has(peer));
    const hasOwnPart = computers.has(self);
    if (!hasOwnPart) return [self, ...others];
    // Where all had a part in it, this peer checks what the others did.
    return computers.size === 1 ? others : [...others, self];
  }

  /** The other members, in no order that anybody can tell. */
  #others(): readonly PeerId[] {
    const { members, random } = this.#parts;
    return members
      .available()
      .filter(({ peer }) => peer !== members.self)
      .map(({ peer }) => ({ peer, order: random() }))
      .sort((a, b) => a.order - b.order)
      .map(({ peer }) => peer);
  }

  async #firstOf(matter: Case, peers: readonly PeerId[]): Promise<Opinion> {
    for (const peer of peers) {
      const opinion = await this.#hear(matter, peer);
      if (opinion !== undefined) return opinion;
    }
    throw new MeshError(
      'UNAVAILABLE',
      'the answer cannot be verified: no other peer can compute this model alone; ask without verifying, or add memory',
    );
  }

  /** Two answers differ: finds out which is right and who has lied. */
  async #settle(matter: Case, second: Opinion): Promise<EntryResult> {
    const { members, logger } = this.#parts;
    const { request, result, tolerance } = matter;
    const computers = computersOf(result);
    logger.warn({ requestId: request.requestId, by: second.peer }, 'two computations of a request differ');
    const suspects = [...new Set([members.self, ...computers])].filter((peer) => peer !== second.peer);
    const heard = await Promise.all(suspects.map((peer) => this.#hear(matter, peer)));
    const opinions = [second, ...heard.filter((opinion) => opinion !== undefined)];
    const verdict = await this.#decide(matter, opinions);
    const isCorrected = !agree(result.outputs, verdict.outputs, tolerance);
    const liars = new Set(verdict.liars);
    if (isCorrected && verdict.supporters.includes(members.self) && ![...computers].some((peer) => liars.has(peer))) {
      for (const peer of await this.#watchAtWork(matter, computers, verdict.outputs)) liars.add(peer);
    }
    this.#convict(request, liars);
    const confirmedBy = verdict.supporters;
    return verified({ ...result, outputs: verdict.outputs }, { confirmedBy, isCorrected, liars: [...liars] });
  }

  /** Hears further peers until something can be believed. */
  async #decide(matter: Case, first: readonly Opinion[]): Promise<Verdict> {
    const { self } = this.#parts.members;
    const opinions = [...first];
    const known = new Set([...first.map(({ peer }) => peer), ...computersOf(matter.result), self]);
    for (const peer of [...this.#others().filter((other) => !known.has(other)), undefined]) {
      const verdict = judge(opinions, self, matter.tolerance);
      if (verdict !== undefined) return verdict;
      const opinion = peer === undefined ? undefined : await this.#hear(matter, peer);
      if (opinion !== undefined) opinions.push(opinion);
    }
    throw new MeshError('UNAVAILABLE', 'the peers disagree on this answer, and no two of them say the same: try again');
  }

  /** Has each suspect compute a part beside this peer, in case it lies only where work is cut. */
  async #watchAtWork(matter: Case, suspects: ReadonlySet<PeerId>, truth: Outputs): Promise<readonly PeerId[]> {
    const { self } = this.#parts.members;
    const liars: PeerId[] = [];
    for (const peer of suspects) {
      if (peer === self) continue;
      const outputs = await this.#computedBy(matter, [peer, self]);
      if (outputs !== undefined && contradicts(outputs, truth, matter.tolerance)) liars.push(peer);
    }
    return liars;
  }

  #convict({ requestId }: EntryRequest, liars: ReadonlySet<PeerId>): void {
    const { members, logger } = this.#parts;
    for (const peer of liars) {
      if (peer === members.self) {
        logger.error({ requestId }, 'this peer computes otherwise than the others: check its memory and its software');
      } else {
        members.convict?.(peer, `computed request ${requestId.slice(0, 8)} otherwise than all others`);
      }
    }
  }

  /** What a peer says to the question, computing alone. */
  async #hear(matter: Case, peer: PeerId): Promise<Opinion | undefined> {
    const outputs = await this.#computedBy(matter, [peer]);
    return outputs && { peer, outputs };
  }

  /** This peer coordinates, under an id that nobody knows; undefined where those peers do not bring an answer. */
  async #computedBy(
    { request, endMs }: Case,
    peers: readonly PeerId[],
    parallelism = peers.length,
  ): Promise<Outputs | undefined> {
    const { members, clock, answer, logger } = this.#parts;
    const { onProgress: _onProgress, termsBefore: _termsBefore, ...question } = request;
    const isMeant = new Set(peers);
    try {
      const result = await answer({
        ...inPrivate(question, peers, members),
        parallelism,
        deadlineMs: Math.max(1, endMs - clock.now()),
      });
      return [...computersOf(result)].every((peer) => isMeant.has(peer)) ? result.outputs : undefined;
    } catch (error) {
      request.signal.throwIfAborted();
      const { code, message } = toMeshError(error);
      logger.debug({ requestId: request.requestId, peers, code }, `a peer was heard in vain: ${message}`);
      return undefined;
    }
  }
}

const verified = (
  result: EntryResult,
  verification: NonNullable<EntryResult['report']['verification']>,
): EntryResult => ({
  ...result,
  report: { ...result.report, verification },
});
