/**
 * One request at its entry: keeps the input until the answer is delivered, and has a coordinator elected for it, and another
 * one when that one is lost. What is to be done is decided by `stepEntry`; here it is done.
 */
import type { Complete, ElectionMessage } from '../../protocols/election/messages.ts';
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import type { Feed } from '../../protocols/plan/messages.ts';
import {
  beginEntry,
  demote,
  ENTRY_DEFAULTS,
  type EntrySettings,
  nextTickMs,
  stepEntry,
  type EntryEvent,
  type EntryState,
  type EntryStep,
} from '../core/election/entry.ts';
import { toleranceOf, type Tolerance } from '../core/compare.ts';
import { rankCandidates } from '../core/election/rendezvous.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { ModelId, PeerId, RequestId } from '../core/ids.ts';
import type { RunReport } from '../core/report.ts';
import type { Tensor } from '../core/tensor/tensor.ts';
import { HONEST_TOLERANCE, wider } from '../core/verdict.ts';
import { Feeding, type FeedingParts } from './feeding.ts';
import type { MemberProfile, MessageChannel } from './ports.ts';
import type { Recording } from './recording.ts';
import { parseAccount, runFigures } from './run-report.ts';

export interface EntryDeskParts extends FeedingParts {
  readonly elections: MessageChannel<ElectionMessage>;
  /** How long candidates and coordinators may be silent; the defaults when absent. */
  readonly electionSettings?: EntrySettings;
}

export interface EntryRequest {
  readonly requestId: RequestId;
  /** Name under which the client asked, for the report. */
  readonly model: string;
  readonly modelId: ModelId;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly parallelism: number;
  readonly deadlineMs: number;
  /** Terms that another entry may have used for this request; 0 when absent. */
  readonly termsBefore?: number;
  /** Who may coordinate it; anybody when absent. */
  readonly coordinators?: readonly PeerId[];
  /** Who must not compute it; nobody when absent. */
  readonly avoid?: readonly PeerId[];
  readonly signal: AbortSignal;
  readonly onProgress?: (stage: string, completed: number, total: number, coordinator: PeerId) => void;
}

export interface EntryResult {
  readonly requestId: RequestId;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly report: RunReport;
  /** How far an answer of the same graph may be off; absent where the answer comes from another entry. */
  readonly tolerance?: Tolerance;
}

/** `invented`: it names a term that it was not given. */
export type Standing = 'appointed' | 'over' | 'invented';

/** A peer without the model has to fetch it first: it coordinates only when no other can. */
const WEIGHT_WITHOUT_MODEL = 0.01;

const weightOf = ({ macsPerSecond, queueDepth, models }: MemberProfile, model: ModelId): number =>
  (Math.max(1, macsPerSecond) / (1 + queueDepth)) * (models.has(model) ? 1 : WEIGHT_WITHOUT_MODEL);

/** Less is nobody's fault. */
const FAIR_DEADLINE_MS = 5_000;

export class EntryDesk {
  readonly #parts: EntryDeskParts;
  readonly #request: EntryRequest;
  readonly #startedMs: number;
  readonly #done = Promise.withResolvers<EntryResult>();
  readonly #lost = new Set<PeerId>();
  /** Said nothing when they had the request in hand, and nothing since; or were blamed by the coordinator before. */
  readonly #shunned = new Set<PeerId>();
  readonly #feeding: Feeding;
  readonly #recording: Recording;
  #state: EntryState;
  /** The coordinator's word that all is computed. */
  #complete: Complete | undefined;
  #stopTimer = (): void => undefined;

  /** Proposes the request to the first candidate. */
  constructor(parts: EntryDeskParts, request: EntryRequest) {
    const { members, clock, records } = parts;
    const { requestId, model, modelId, deadlineMs, termsBefore = 0 } = request;
    this.#parts = parts;
    this.#request = request;
    this.#startedMs = clock.now();
    this.#recording = records.of(requestId);
    this.#recording.arrived({ model, modelId, arrivedUnixMs: Date.now() });
    this.#feeding = new Feeding(parts, request.inputs, () => this.#moved());
    const doubtful = new Set(members.doubtful?.());
    const candidates = members
      .available()
      .filter(({ peer }) => this.#mayCoordinate(peer))
      .map((member) => ({
        peer: member.peer,
        // After all the others.
        weight: members.isBenched?.(member.peer) === true || doubtful.has(member.peer) ? 0 : weightOf(member, modelId),
      }));
    const ranked = rankCandidates(requestId, candidates);
    const endMs = this.#startedMs + deadlineMs;
    const { electionSettings = ENTRY_DEFAULTS } = parts;
    const first = beginEntry<Complete>(requestId, ranked, endMs, this.#startedMs, electionSettings, termsBefore);
    this.#state = first[0];
    this.#apply(first);
  }

  /** Resolves with the answer. Call it once. @throws MeshError of any code. */
  async answer(): Promise<EntryResult> {
    const { signal } = this.#request;
    const cancel = (): void => this.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return await this.#done.promise;
    } finally {
      signal.removeEventListener('abort', cancel);
      this.#stopTimer();
      this.#feeding.reset();
    }
  }

  cancel(): void {
    this.#step({ kind: 'cancelled' });
  }

  peerLost(peer: PeerId): void {
    const { phase } = this.#state;
    if ((phase.kind === 'proposing' || phase.kind === 'running') && phase.peer === peer) {
      this.#lost.add(peer);
      this.#recording.mark('coordinator lost', this.#state, { peer });
    }
    this.#step({ kind: 'peerLost', peer });
  }

  peerFound(peer: PeerId): void {
    if (this.#mayCoordinate(peer)) this.#step({ kind: 'peerFound', peer });
  }

  #mayCoordinate(peer: PeerId): boolean {
    const { coordinators } = this.#request;
    return coordinators === undefined || coordinators.includes(peer);
  }

  /** From a candidate or the coordinator. */
  message(from: PeerId, message: ElectionMessage): void {
    const { term } = message;
    this.#shunned.delete(from);
    switch (message.kind) {
      case 'accept':
        this.#step({ kind: 'accepted', peer: from, term, leaseMs: message.leaseMs });
        if (!this.#isLive(from, term)) break;
        this.#recording.mark('accepted', { term }, { peer: from });
        this.#request.onProgress?.('coordinator elected', 0, 0, from);
        this.#feeding.follow(from);
        break;
      case 'decline':
        this.#recording.mark('declined', { term }, { peer: from, text: message.message });
        this.#step({ kind: 'declined', peer: from, term, failure: message });
        break;
      case 'renew':
        this.#step({ kind: 'renewed', peer: from, term });
        if (this.#isLive(from, term)) this.#request.onProgress?.(message.stage, message.completed, message.total, from);
        break;
      case 'complete':
        if (!this.#isLive(from, term)) break;
        this.#complete = message;
        this.#moved();
        break;
      case 'fail':
        this.#shun(message.lostPeer);
        this.#step({ kind: 'failed', peer: from, term, failure: message });
        break;
      case 'propose':
      case 'cancel':
        break;
    }
  }

  /** What this peer's own request knows of who says that it coordinates it. */
  standingOf(peer: PeerId, term: number): Standing {
    const { phase, term: current } = this.#state;
    const asked = phase.kind === 'running' || phase.kind === 'proposing' ? phase.peer : undefined;
    if (term === current && asked === peer) return 'appointed';
    return term > current || (term === current && asked !== undefined) ? 'invented' : 'over';
  }

  /** A plan, from the coordinator or from a candidate whose acceptance has yet to arrive. */
  feed(from: PeerId, feed: Feed): void {
    const { phase, term } = this.#state;
    const isLive = (phase.kind === 'running' || phase.kind === 'proposing') && phase.peer === from;
    if (isLive && feed.term === term) this.#feeding.offer(feed);
  }

  admits(from: PeerId, header: PieceHeader): boolean {
    return this.#feeding.admits(from, header);
  }

  accept(from: PeerId, piece: Piece): void {
    this.#feeding.accept(from, piece);
  }

  /** One that a coordinator blames; this peer knows better of itself. */
  #shun(peer: PeerId | undefined): void {
    if (peer !== undefined && peer !== this.#parts.members.self) this.#shunned.add(peer);
  }

  #isLive(peer: PeerId, term: number): boolean {
    const { phase, term: current } = this.#state;
    return phase.kind === 'running' && phase.peer === peer && term === current;
  }

  #step(event: EntryEvent<Complete>): void {
    const { phase, term } = this.#state;
    const { members, clock } = this.#parts;
    const doubtful = members.doubtful?.() ?? [];
    const usualMs = 'peer' in phase ? (members.usualWaitMs?.([phase.peer]) ?? 0) : 0;
    const state = demote(this.#state, doubtful);
    const step = stepEntry(state, event.kind === 'tick' ? { ...event, doubtful, usualMs } : event, clock.now());
    // The clock alone took the request from whoever had it: it said nothing, or did not get on with it.
    const isLate =
      event.kind === 'tick' && step[1].some((effect) => effect.kind === 'sendCancel' && effect.term === term);
    if (isLate && 'peer' in phase) this.#shunned.add(phase.peer);
    // One that was given up for another before its time was over may have had too much to do.
    const isFair = this.#request.deadlineMs >= FAIR_DEADLINE_MS && 'untilMs' in phase && clock.now() >= phase.untilMs;
    if (isLate && isFair && 'peer' in phase) members.noteFault?.(phase.peer);
    this.#apply(step);
  }

  #apply([state, effects]: EntryStep<Complete>): void {
    const { clock, members } = this.#parts;
    this.#state = state;
    this.#stopTimer();
    const dueMs = nextTickMs(state);
    this.#stopTimer = Number.isFinite(dueMs)
      ? clock.after(Math.max(1, dueMs - clock.now()), () => this.#step({ kind: 'tick' }))
      : () => undefined;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'propose':
          this.#feeding.reset();
          this.#complete = undefined;
          this.#recording.mark('proposed', effect, { peer: effect.peer });
          void this.#propose(effect.peer, effect.term, effect.remainingMs);
          break;
        case 'doubt':
          members.doubt?.(effect.peer);
          break;
        case 'sendCancel':
          void this.#send(effect.peer, { kind: 'cancel', requestId: state.requestId, term: effect.term });
          break;
        case 'deliver':
          this.#deliver(effect.peer, effect.term, effect.result);
          break;
        case 'giveUp':
          this.#recording.mark('failed', {}, { text: `${effect.failure.code}: ${effect.failure.message}` });
          this.#done.reject(new MeshError(effect.failure.code, effect.failure.message));
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

  async #propose(peer: PeerId, term: number, remainingMs: number): Promise<void> {
    const { requestId, modelId, parallelism, inputs } = this.#request;
    const specs = [...inputs].map(([name, { type, shape }]) => ({ name, type, shape }));
    const deadlineMs = Math.max(1, Math.round(remainingMs));
    const { members } = this.#parts;
    const convicted = members.convicted?.() ?? [];
    const shunned = [...convicted, ...this.#shunned, ...(members.doubtful?.() ?? [])].filter((other) => other !== peer);
    const avoid = [...new Set([...(this.#request.avoid ?? []), ...shunned])];
    const proposal = { requestId, term, modelId, parallelism, deadlineMs, inputs: specs, avoid };
    if (!(await this.#send(peer, { kind: 'propose', ...proposal }))) this.#step({ kind: 'peerLost', peer });
  }

  /** Ends the request once both the coordinator's word and all outputs are here. */
  #moved(): void {
    const { phase } = this.#state;
    const result = this.#complete;
    if (result === undefined || phase.kind !== 'running') return;
    const { peer } = phase;
    const { term } = result;
    // The coordinator has nothing more to renew, while large outputs may still be on their way.
    this.#step({ kind: 'renewed', peer, term });
    if (this.#feeding.handover?.isComplete === true) this.#step({ kind: 'completed', peer, term, result });
  }

  #deliver(coordinator: PeerId, term: number, complete: Complete): void {
    const { members, clock } = this.#parts;
    try {
      const { handover } = this.#feeding;
      const account = parseAccount(complete.report);
      if (account === undefined || handover?.id.attempt !== account.attempts) {
        throw new MeshError('INVALID_MESSAGE', 'the coordinator sent no readable report');
      }
      const { requestId, model, modelId } = this.#request;
      const { attempts, tiles } = account;
      const figures = runFigures({ ...handover.prepared, tiles });
      const bytesThroughEntry = figures.bytesThroughEntry + handover.bytesSent;
      const lostPeers = [...new Set([...this.#lost, ...account.lostPeers])];
      const elapsedMs = clock.now() - this.#startedMs;
      const named = new Set([coordinator, members.self, ...handover.prepared.plan.participants, ...lostPeers]);
      const names = Object.fromEntries([...named].map((peer) => [peer, members.nameOf(peer)]));
      const parties = { coordinator, entry: members.self, names, term, attempts, lostPeers };
      const report = { ...figures, model, modelId, ...parties, elapsedMs, bytesThroughEntry };
      const outputs = handover.outputs();
      this.#recording.mark('answered', { term, attempt: attempts }, { peer: coordinator });
      const tolerance = wider(HONEST_TOLERANCE, toleranceOf(handover.prepared.bound));
      this.#done.resolve({ requestId, outputs, report, tolerance });
    } catch (error) {
      this.#recording.mark('failed', { term }, { text: toMeshError(error).message });
      this.#done.reject(toMeshError(error));
    }
  }
}
