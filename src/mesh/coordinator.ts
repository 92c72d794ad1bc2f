/** The coordinator's desk: accepts or declines proposals, keeps the leases it holds alive, and reports to the entry. */
import type { ElectionMessage, Propose } from '../../protocols/election/messages.ts';
import type { PlanMessage } from '../../protocols/plan/messages.ts';
import type { Fence } from '../core/election/fence.ts';
import { LEASE_MS, RENEW_MS } from '../core/election/lease.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import { asPeerId, type PeerId, type RequestId } from '../core/ids.ts';
import { concurrencyOf, NO_LOAD, observeLoad } from '../core/schedule/load.ts';
import { Coordination, type CoordinationParts } from './coordination.ts';
import type { MessageChannel, ModelAccess } from './ports.ts';
import { encodeAccount, type CoordinatorAccount } from './run-report.ts';

export interface CoordinatorParts extends Omit<CoordinationParts, 'concurrency'> {
  readonly elections: MessageChannel<ElectionMessage>;
  readonly models: ModelAccess;
  /** Requests coordinated at a time; further proposals are declined. */
  readonly maxRequests: number;
  readonly createFence: (limit: number) => Fence;
}

const FENCED_REQUESTS = 4096;
/** What participants say of attempts in hand. */
const SIGNS_OF_WORK: ReadonlySet<PlanMessage['kind']> = new Set(['ready', 'preparing', 'progress']);

interface Desk {
  readonly request: Propose;
  readonly entry: PeerId;
  readonly abort: AbortController;
  readonly coordination: Coordination;
}

export class Coordinator {
  readonly #parts: CoordinatorParts;
  readonly #fence: Fence;
  readonly #desks = new Map<RequestId, Desk>();
  readonly #unsubscribe: (() => void)[] = [];
  #load = NO_LOAD;
  #isStopping = false;
  #isDraining = false;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    this.#fence = parts.createFence(FENCED_REQUESTS);
  }

  start(): void {
    const { elections, plans, members } = this.#parts;
    this.#unsubscribe.push(
      elections.onMessage((from, message) => {
        if (message.kind === 'propose') void this.#proposed(from, message);
        else if (message.kind === 'cancel') this.#cancel(from, message.requestId, message.term);
      }),
      plans.onMessage((from, message) => {
        const desk = this.#desks.get(message.requestId);
        const isOurs = desk?.request.term === message.term && desk.coordination.message(from, message);
        if (!isOurs && SIGNS_OF_WORK.has(message.kind)) this.#release(from, message);
      }),
      members.onLost((peer) => this.#peerLost(peer)),
    );
  }

  stop(): void {
    this.#isStopping = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const desk of this.#desks.values()) desk.abort.abort(new MeshError('UNAVAILABLE', 'this peer is stopping'));
  }

  /** Takes no proposals of other peers from now on. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Somebody works on an attempt that is over here: what told it so was lost, or came before the plan. */
  #release(participant: PeerId, { requestId, term, attempt }: PlanMessage): void {
    const reason = 'the attempt is over';
    // One that cannot be reached any more has lost its coordinator, and lets go by itself.
    this.#parts.plans.send(participant, { kind: 'abort', requestId, term, attempt, reason }).catch(() => undefined);
  }

  /** Requests being coordinated. */
  get load(): number {
    return this.#desks.size;
  }

  /** Requests that share the mesh: those that its members say came in there, or those in hand here if they are more. */
  #concurrency(): number {
    const { members, clock } = this.#parts;
    const known = members.available().reduce((sum, { activeRequests }) => sum + activeRequests, 0);
    this.#load = observeLoad(this.#load, Math.max(known, this.#desks.size), clock.now());
    return concurrencyOf(this.#load);
  }

  #cancel(from: PeerId, requestId: RequestId, term: number): void {
    const desk = this.#desks.get(requestId);
    if (desk?.entry === from && desk.request.term <= term) {
      desk.abort.abort(new MeshError('CANCELLED', 'the entry no longer wants the answer'));
    }
  }

  #peerLost(peer: PeerId): void {
    this.#parts.ledger.forget(peer);
    for (const desk of this.#desks.values()) {
      if (desk.entry === peer) this.#giveBack(desk);
      else desk.coordination.peerLost(peer);
    }
  }

  /** The entry was lost, and need not wait for the lease to lapse when it is there after all. */
  #giveBack({ request: { requestId, term }, entry, abort }: Desk): void {
    const lost = new MeshError('CANCELLED', 'the entry was lost');
    abort.abort(lost);
    void this.#tell(entry, { kind: 'fail', requestId, term, code: 'UNAVAILABLE', message: lost.message });
  }

  #objection(entry: PeerId, { requestId, term }: Propose): MeshError | undefined {
    const { maxRequests, members } = this.#parts;
    if (this.#isStopping || (this.#isDraining && entry !== members.self))
      return new MeshError('UNAVAILABLE', 'this peer is stopping');
    // No term twice, also when the client asks again through another entry, which counts from 1.
    const isNew = term > this.#fence.highest(requestId);
    if (!isNew || !this.#fence.admit(requestId, term)) {
      return new MeshError('STALE_TERM', `term ${term} of this request is over`);
    }
    const desk = this.#desks.get(requestId);
    if (desk !== undefined) {
      desk.abort.abort(new MeshError('STALE_TERM', 'a newer term has begun'));
      return undefined;
    }
    const ofEntry = [...this.#desks.values()].filter((other) => other.entry === entry).length;
    const free = maxRequests - this.#desks.size;
    // Another entry gets no more places than it leaves to the others, so that none can take them all.
    if (entry === members.self ? free > 0 : ofEntry < free) return undefined;
    const { size } = this.#desks;
    return new MeshError(
      'OVERLOADED',
      `this peer already coordinates ${size} requests, ${ofEntry} of yours: try again shortly`,
    );
  }

  async #proposed(entry: PeerId, request: Propose): Promise<void> {
    const { requestId, term } = request;
    const known = this.#desks.get(requestId);
    if (known?.entry === entry && known.request.term === term) {
      await this.#tell(entry, { kind: 'accept', requestId, term, leaseMs: LEASE_MS });
      return;
    }
    const objection = this.#objection(entry, request);
    if (objection !== undefined) {
      const { code, message } = objection;
      await this.#tell(entry, { kind: 'decline', requestId, term, code, message });
      return;
    }
    if (entry !== this.#parts.members.self) this.#parts.models.noteHolder(request.modelId, entry);
    const abort = new AbortController();
    const parts = { ...this.#parts, concurrency: () => this.#concurrency() };
    const coordination = new Coordination(parts, request, entry, abort.signal);
    const desk: Desk = { request, entry, abort, coordination };
    this.#desks.set(requestId, desk);
    const stopRenewing = this.#keepLease(desk);
    try {
      await this.#tell(entry, { kind: 'accept', requestId, term, leaseMs: LEASE_MS });
      await this.#complete(desk, await coordination.run());
    } catch (error) {
      if (!abort.signal.aborted) await this.#report(desk, toMeshError(error));
    } finally {
      stopRenewing();
      if (this.#desks.get(requestId) === desk) this.#desks.delete(requestId);
    }
  }

  #keepLease({ request, entry, abort, coordination }: Desk): () => void {
    const { clock } = this.#parts;
    const { requestId, term } = request;
    const stopDeadline = clock.after(request.deadlineMs, () =>
      abort.abort(new MeshError('DEADLINE_EXCEEDED', 'the request was not answered by its deadline')),
    );
    let stopRenewal = (): void => undefined;
    const renew = (): void => {
      void this.#tell(entry, { kind: 'renew', requestId, term, ...coordination.stage });
      stopRenewal = clock.after(RENEW_MS, renew);
    };
    stopRenewal = clock.after(RENEW_MS, renew);
    return () => {
      stopDeadline();
      stopRenewal();
    };
  }

  async #complete({ request, entry }: Desk, account: CoordinatorAccount): Promise<void> {
    const { requestId, term } = request;
    await this.#tell(entry, { kind: 'complete', requestId, term, report: encodeAccount(account) });
  }

  async #report({ request, entry }: Desk, failure: MeshError): Promise<void> {
    const { requestId, term } = request;
    const { code, message, details } = failure;
    this.#parts.logger.warn({ requestId, term, code }, message);
    const lost = typeof details.lostPeer === 'string' ? { lostPeer: asPeerId(details.lostPeer) } : {};
    await this.#tell(entry, { kind: 'fail', requestId, term, code, message, ...lost });
  }

  async #tell(entry: PeerId, message: ElectionMessage): Promise<void> {
    try {
      await this.#parts.elections.send(entry, message);
    } catch (error) {
      this.#parts.logger.debug(
        { entry, kind: message.kind, code: toMeshError(error).code },
        'could not tell the entry',
      );
    }
  }
}
