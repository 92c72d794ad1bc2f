/**
 * One term of one request at its coordinator: gather the inputs, plan, hand the work out, assemble the answer, and plan again
 * on the survivors when a participant is lost.
 */
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import type { Propose } from '../../protocols/election/messages.ts';
import type { PlanMessage } from '../../protocols/plan/messages.ts';
import { GIGABIT } from '../core/cost/cost-model.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import { extract } from '../core/geometry/copy.ts';
import { regionShape, wholeRegion } from '../core/geometry/region.ts';
import type { BoundGraph } from '../core/graph/bind.ts';
import type { PeerId } from '../core/ids.ts';
import { COORDINATOR_KEY } from '../core/plan/dataflow.ts';
import { byteLength, type Tensor } from '../core/tensor/tensor.ts';
import type { Logger } from '../observability/logger.ts';
import { Assembler } from './assembler.ts';
import { AttemptProgress } from './attempt.ts';
import type { TileReport } from './execution.ts';
import { isAt, TO_ASSEMBLER, TO_COORDINATOR } from './piece-address.ts';
import type { Clock, MemberDirectory, MessageChannel, PieceChannel } from './ports.ts';
import type { Preparation, PreparedPlan } from './preparation.ts';
import { blockReports, parseTileReports, summariseCut, type CoordinatorReport } from './run-report.ts';

export interface CoordinationParts {
  readonly members: MemberDirectory;
  readonly plans: MessageChannel<PlanMessage>;
  readonly pieces: PieceChannel;
  readonly preparation: Preparation;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Answer {
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly report: CoordinatorReport;
}

/** A participant that neither gets ready nor reports progress for this long is planned without. */
const READY_STALL_MS = 15_000;
/** The same while tiles run: the predicted time of the whole request several times over, but at least this. */
const RUN_STALL_MS = 4_000;
const RUN_STALL_FACTOR = 6;
/** How often one term plans before it gives up. */
const MAX_ATTEMPTS = 16;

/** One attempt in flight. */
interface Attempt {
  readonly number: number;
  readonly prepared: PreparedPlan;
  readonly progress: AttemptProgress;
  readonly assembler: Assembler;
  readonly tiles: TileReport[];
  readonly unfinished: Set<PeerId>;
  /** Rejected with the reason when the attempt cannot succeed. */
  readonly outcome: PromiseWithResolvers<void>;
  readonly ready: PromiseWithResolvers<void>;
  lastSignMs: number;
}

/** Ends an attempt but not the term: these peers are left out of the next one. */
class AttemptFailure extends Error {
  readonly without: readonly PeerId[];

  constructor(message: string, without: readonly PeerId[]) {
    super(message);
    this.without = without;
  }
}

export class Coordination {
  readonly #parts: CoordinationParts;
  readonly #request: Propose;
  readonly #signal: AbortSignal;
  readonly #excluded = new Set<PeerId>();
  readonly #lost = new Set<PeerId>();
  readonly #inputs: Assembler;
  readonly #inputsComplete = Promise.withResolvers<void>();
  #attempt: Attempt | undefined;
  #stage: { readonly stage: string; readonly completed: number; readonly total: number } = {
    stage: 'receiving the input',
    completed: 0,
    total: 0,
  };

  constructor(parts: CoordinationParts, request: Propose, signal: AbortSignal) {
    this.#parts = parts;
    this.#request = request;
    this.#signal = signal;
    this.#inputs = new Assembler(new Map(request.inputs.map(({ name, type, shape }) => [name, { type, shape }])));
    this.#inputsComplete.promise.catch(() => undefined);
    signal.addEventListener('abort', () => this.#fail(toMeshError(signal.reason, 'CANCELLED')), { once: true });
  }

  /** How far the request has come, for the lease's renewals. */
  get stage(): { readonly stage: string; readonly completed: number; readonly total: number } {
    return this.#stage;
  }

  #fail(error: unknown): void {
    this.#inputsComplete.reject(error);
    this.#attempt?.ready.reject(error);
    this.#attempt?.outcome.reject(error);
  }

  admits(header: PieceHeader): boolean {
    if (isAt(TO_COORDINATOR, header)) return this.#inputs.expects(header.tensor);
    return header.attempt === this.#attempt?.number && this.#attempt.assembler.expects(header.tensor);
  }

  accept(piece: Piece): void {
    try {
      if (isAt(TO_COORDINATOR, piece)) {
        this.#inputs.add(piece);
        if (this.#inputs.isComplete) this.#inputsComplete.resolve();
      } else if (isAt(TO_ASSEMBLER, piece) && piece.attempt === this.#attempt?.number) {
        this.#attempt.assembler.add(piece);
        this.#settle(this.#attempt);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  peerLost(peer: PeerId): void {
    const attempt = this.#attempt;
    if (!attempt?.prepared.plan.participants.includes(peer)) return;
    // What a peer has finished and sent is no longer at risk when it leaves.
    if (attempt.progress.isReady && !attempt.unfinished.has(peer)) return;
    this.#lost.add(peer);
    this.#abandon(attempt, new AttemptFailure(`${this.#parts.members.nameOf(peer)} was lost`, [peer]));
  }

  message(from: PeerId, message: PlanMessage): void {
    const attempt = this.#attempt;
    if (message.attempt !== attempt?.number) return;
    if (!attempt.prepared.plan.participants.includes(from)) return;
    attempt.lastSignMs = this.#parts.clock.now();
    switch (message.kind) {
      case 'ready':
        attempt.progress.markReady(from);
        if (attempt.progress.isReady) attempt.ready.resolve();
        break;
      case 'preparing':
        this.#stage = { stage: 'fetching weights', completed: message.completedBytes, total: message.totalBytes };
        break;
      case 'progress':
        if (attempt.progress.markDone(from, message.block, message.part, message.computeMs)) {
          this.#stage = { stage: 'computing', completed: attempt.progress.completed, total: attempt.progress.total };
        }
        break;
      case 'finished':
        attempt.tiles.push(...parseTileReports(message.report));
        attempt.unfinished.delete(from);
        this.#settle(attempt);
        break;
      case 'refuse':
      case 'failed':
        this.#refused(attempt, from, message);
        break;
      case 'assign':
      case 'abort':
        break;
    }
  }

  #refused(attempt: Attempt, from: PeerId, message: Extract<PlanMessage, { kind: 'refuse' | 'failed' }>): void {
    const error = new MeshError(message.code, message.message);
    const culprit = message.kind === 'failed' ? (message.lostPeer ?? from) : from;
    // What this peer itself cannot do, no other plan of this peer can do either: another coordinator may.
    if (message.code === 'STALE_TERM' || culprit === this.#parts.members.self) this.#abandon(attempt, error);
    else this.#abandon(attempt, new AttemptFailure(error.message, [culprit]));
  }

  #abandon(attempt: Attempt, error: Error): void {
    attempt.ready.reject(error);
    attempt.outcome.reject(error);
  }

  #settle(attempt: Attempt): void {
    if (attempt.unfinished.size === 0 && attempt.assembler.isComplete) attempt.outcome.resolve();
  }

  /** @throws MeshError when no answer can be had in this term. */
  async run(): Promise<Answer> {
    await this.#inputsComplete.promise;
    const inputs = this.#inputs.result();
    const { modelId } = this.#request;
    this.#stage = { stage: 'planning', completed: 0, total: 0 };
    const bound = await this.#parts.preparation.bind(modelId, inputs, this.#signal);
    for (let number = 1; number <= MAX_ATTEMPTS; number++) {
      this.#signal.throwIfAborted();
      try {
        return await this.#try(number, bound, inputs);
      } catch (error) {
        if (!(error instanceof AttemptFailure)) throw error;
        this.#parts.logger.info(
          { requestId: this.#request.requestId, attempt: number },
          `planning again: ${error.message}`,
        );
        for (const peer of error.without) this.#excluded.add(peer);
      }
    }
    throw new MeshError(
      'UNAVAILABLE',
      `no plan of ${MAX_ATTEMPTS} could be carried out: check the health of the peers`,
    );
  }

  #plan(inputs: ReadonlyMap<string, Tensor>, isCold: boolean): Promise<Uint8Array> {
    const { members, preparation } = this.#parts;
    const peers = members.available().filter(({ peer }) => peer === members.self || !this.#excluded.has(peer));
    const { modelId, parallelism } = this.#request;
    const specs = new Map([...inputs].map(([name, { type, shape }]) => [name, { type, shape }]));
    const question = { modelId, inputs: specs, peers, coordinator: members.self, link: GIGABIT, parallelism, isCold };
    return preparation.planFor(question, this.#signal);
  }

  async #try(number: number, bound: BoundGraph, inputs: ReadonlyMap<string, Tensor>): Promise<Answer> {
    const { preparation, clock, logger } = this.#parts;
    const beganMs = clock.now();
    const encoded = await this.#plan(inputs, number > 1 || this.#request.term > 1);
    const prepared = await preparation.plan(encoded, this.#signal);
    const attempt = this.#begin(number, prepared);
    const plannedMs = clock.now();
    const stopWatching = this.#watch(attempt);
    try {
      await this.#assign(attempt, encoded);
      await attempt.ready.promise;
      attempt.lastSignMs = clock.now();
      this.#stage = { stage: 'computing', completed: 0, total: attempt.progress.total };
      const readyMs = clock.now();
      await Promise.all([this.#sendInputs(attempt, inputs), attempt.outcome.promise]);
      const spent = { planMs: plannedMs - beganMs, readyMs: readyMs - plannedMs, runMs: clock.now() - readyMs };
      logger.debug({ requestId: this.#request.requestId, attempt: number, ...spent }, 'answered');
      return { outputs: this.#outputs(bound, attempt, inputs), report: this.#report(attempt) };
    } catch (error) {
      await this.#abort(attempt, error instanceof Error ? error.message : 'failed');
      throw error;
    } finally {
      stopWatching();
    }
  }

  #begin(number: number, prepared: PreparedPlan): Attempt {
    const { bound, plan, dataflow } = prepared;
    const expected = new Map(
      dataflow.outputs.map(({ tensor }) => [
        tensor,
        { type: bound.types.get(tensor)!, shape: bound.shapes.get(tensor) },
      ]),
    );
    const attempt: Attempt = {
      number,
      prepared,
      progress: new AttemptProgress(plan),
      assembler: new Assembler(expected),
      tiles: [],
      unfinished: new Set(plan.participants),
      outcome: Promise.withResolvers<void>(),
      ready: Promise.withResolvers<void>(),
      lastSignMs: this.#parts.clock.now(),
    };
    // Whoever waits sees the rejection; nobody waits all the time.
    attempt.outcome.promise.catch(() => undefined);
    attempt.ready.promise.catch(() => undefined);
    this.#attempt = attempt;
    return attempt;
  }

  /** Gives up an attempt in which nothing has moved for too long. */
  #watch(attempt: Attempt): () => void {
    const { clock, members } = this.#parts;
    const runStallMs = Math.max(RUN_STALL_MS, RUN_STALL_FACTOR * attempt.prepared.plan.predictedMs);
    let cancel = (): void => undefined;
    const look = (): void => {
      const { progress } = attempt;
      const limitMs = progress.isReady ? runStallMs : READY_STALL_MS;
      const leftMs = attempt.lastSignMs + limitMs - clock.now();
      if (leftMs > 0) {
        cancel = clock.after(leftMs + 1, look);
        return;
      }
      const late = (progress.isReady ? progress.holdingUp : progress.unready).filter((peer) => peer !== members.self);
      this.#abandon(
        attempt,
        new AttemptFailure(`${late.map((peer) => members.nameOf(peer)).join(', ')} fell silent`, late),
      );
    };
    cancel = clock.after(READY_STALL_MS, look);
    return () => cancel();
  }

  async #assign(attempt: Attempt, encoded: Uint8Array): Promise<void> {
    const { plans } = this.#parts;
    const { requestId, term, modelId } = this.#request;
    await Promise.all(
      attempt.prepared.plan.participants.map((peer) =>
        plans
          .send(
            peer,
            { kind: 'assign', requestId, term, attempt: attempt.number, modelId, plan: encoded },
            this.#signal,
          )
          .catch((error: unknown) => {
            throw this.#unreachable(peer, error);
          }),
      ),
    );
  }

  #unreachable(peer: PeerId, error: unknown): Error {
    if (this.#signal.aborted || peer === this.#parts.members.self) return toMeshError(error);
    return new AttemptFailure(`${this.#parts.members.nameOf(peer)} cannot be reached`, [peer]);
  }

  async #sendInputs(attempt: Attempt, inputs: ReadonlyMap<string, Tensor>): Promise<void> {
    const { pieces } = this.#parts;
    const { requestId, term } = this.#request;
    const { plan, dataflow } = attempt.prepared;
    const transfers = dataflow.sends.get(COORDINATOR_KEY) ?? [];
    await Promise.all(
      transfers.map(async ({ tensor, region, to, block, part }) => {
        const input = inputs.get(tensor)!;
        const full = wholeRegion(input.shape);
        const wanted = region ?? full;
        const { bytes } = extract(input.type, { region: full, bytes: input.bytes }, wanted);
        // The kernel takes over what it is fed, and a later attempt needs the input again.
        const own = bytes === input.bytes ? bytes.slice() : bytes;
        const peer = plan.participants[to];
        if (peer === undefined) return;
        const piece = {
          requestId,
          term,
          attempt: attempt.number,
          block,
          part,
          tensor,
          type: input.type,
          region: wanted,
        };
        await pieces.send(peer, { ...piece, bytes: own }, this.#signal).catch((error: unknown) => {
          throw this.#unreachable(peer, error);
        });
      }),
    );
  }

  async #abort(attempt: Attempt, reason: string): Promise<void> {
    const { plans } = this.#parts;
    const { requestId, term } = this.#request;
    await Promise.allSettled(
      attempt.prepared.plan.participants
        .filter((peer) => !this.#lost.has(peer))
        .map((peer) => plans.send(peer, { kind: 'abort', requestId, term, attempt: attempt.number, reason })),
    );
  }

  /** Assembled outputs, and those that are inputs or constants of the graph. */
  #outputs(bound: BoundGraph, attempt: Attempt, inputs: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
    const assembled = attempt.assembler.result();
    const wanted =
      this.#request.outputs.length === 0 ? bound.graph.outputs.map(({ name }) => name) : this.#request.outputs;
    return new Map(
      wanted.map((name) => {
        const value = assembled.get(name) ?? bound.constants.get(name) ?? inputs.get(name);
        if (value !== undefined) return [name, value];
        throw new MeshError('INVALID_INPUT', `the model has no output "${name}"`);
      }),
    );
  }

  #report({ number, prepared, tiles }: Attempt): CoordinatorReport {
    const { bound, plan } = prepared;
    const sum = (of: (tile: TileReport) => number): number => tiles.reduce((total, tile) => total + of(tile), 0);
    return {
      attempts: number,
      cut: summariseCut(plan),
      blocks: blockReports({ bound, plan, tiles }),
      bytesPeerToPeer: sum((tile) => tile.bytesToPeers),
      bytesThroughCoordinator: sum((tile) => tile.bytesToCoordinator) + this.#inputBytes(prepared),
      predictedMs: plan.predictedMs,
      lostPeers: [...this.#lost],
    };
  }

  #inputBytes({ dataflow, plan, bound }: PreparedPlan): number {
    const transfers = dataflow.sends.get(COORDINATOR_KEY) ?? [];
    return transfers
      .filter(({ to }) => plan.participants[to] !== this.#parts.members.self)
      .reduce((total, { tensor, region }) => {
        const shape = region === null ? bound.shapes.get(tensor)! : regionShape(region);
        return total + byteLength(bound.types.get(tensor)!, shape);
      }, 0);
  }
}
