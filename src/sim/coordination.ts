/**
 * One term of one request at its coordinator: plan, hand out, see it done, and begin again when a participant is lost. Inputs
 * come from the entry and outputs go there. Where everything is in place nobody waits for the others to be ready.
 */
import { RENEW_MS } from '../core/election/lease.ts';
import { ENTRY_KEY, transferBytes, type Transfer } from '../core/plan/dataflow.ts';
import { MAX_DEGREE } from '../core/plan/planner.ts';
import type { RequestId } from '../core/ids.ts';
import type { Board } from './board.ts';
import { Execution } from './execution.ts';
import type { PreparedPlan } from './plan-book.ts';
import { recoveryFor } from './recovery.ts';
import { CONTROL_BYTES, type World } from './world.ts';

export interface CoordinationSetup {
  readonly world: World;
  readonly board: Board;
  readonly entry: Board;
  readonly request: number;
  readonly requestId: RequestId;
  readonly term: number;
  /** Counts plans over all terms. */
  readonly nextAttempt: () => number;
  readonly onRenew: () => void;
  /** All tiles are done and all outputs at the entry; the plan that did it. */
  readonly onAnswer: (prepared: PreparedPlan) => void;
}

interface Attempt {
  readonly number: number;
  readonly isWarm: boolean;
  readonly prepared: PreparedPlan;
  readonly participants: readonly Board[];
  readonly executions: Map<Board, Execution>;
  /** Pieces that have overtaken the plan. */
  readonly early: Map<Board, Transfer[]>;
  readonly unready: Set<Board>;
  readonly unfinished: Set<Board>;
  outputsLeft: number;
}

export class Coordination {
  readonly #setup: CoordinationSetup;
  readonly #excluded = new Set<Board>();
  #attempt: Attempt | undefined;
  #isOver = false;
  readonly #stopListening: () => void;

  constructor(setup: CoordinationSetup) {
    this.#setup = setup;
    this.#stopListening = setup.world.onLost((board) => this.#lost(board));
    this.#renew();
  }

  get #isStopped(): boolean {
    return this.#isOver || this.#setup.board.isDead;
  }

  /** A newer term has begun, or the answer is there. */
  stop(): void {
    this.#isOver = true;
    this.#stopListening();
    for (const execution of this.#attempt?.executions.values() ?? []) execution.drop();
  }

  #renew(): void {
    const { world, board, entry, request, onRenew } = this.#setup;
    world.queue.after(RENEW_MS, () => {
      if (this.#isStopped) return;
      world.send(board, entry, { request, purpose: 'control', bytes: CONTROL_BYTES }, onRenew);
      this.#renew();
    });
  }

  begin(): void {
    const { world, board } = this.#setup;
    board.script.run(world.settings.requestMs * board.model.slowness, () => this.#plan(false));
  }

  #plan(isAfterLoss: boolean): void {
    if (this.#isStopped) return;
    const { world, board, term, nextAttempt, request } = this.#setup;
    const peers = world.members().filter((other) => other === board || !this.#excluded.has(other));
    // A plan for all boards is one that has been used before.
    const isWarm = peers.length === world.boards.length;
    const isCold = isAfterLoss || term > 1;
    const prepared = world.plans.planFor(
      peers.map(({ profile }) => profile),
      board.peer,
      isCold,
    );
    const participants = prepared.plan.participants.map((peer) => world.boardOf(peer));
    const attempt: Attempt = {
      number: nextAttempt(),
      isWarm,
      prepared,
      participants,
      executions: new Map(),
      early: new Map(),
      unready: new Set(participants),
      unfinished: new Set(participants),
      outputsLeft: prepared.dataflow.outputs.length,
    };
    this.#attempt = attempt;
    if (isWarm || prepared.isPatched) {
      this.#assign(attempt, isWarm);
      return;
    }
    const tiles = world.plans.options.bound.steps.length * Math.min(MAX_DEGREE, peers.length);
    const workMs = world.settings.planMs * tiles * board.model.slowness;
    world.timeline.mark({ atMs: world.queue.nowMs, board: world.indexOf(board), request, what: 'plans again' });
    board.planner.run(workMs, () => this.#assign(attempt, isWarm));
  }

  #assign(attempt: Attempt, isWarm: boolean): void {
    if (!this.#isCurrent(attempt)) return;
    const { world, board, entry, request, requestId, term } = this.#setup;
    if (isWarm) this.#feed(attempt);
    for (const to of attempt.participants) {
      const execution = new Execution({
        world,
        board: to,
        coordinator: board,
        entry,
        request,
        requestId,
        attempt: attempt.number,
        prepared: attempt.prepared,
        participants: attempt.participants,
        isWarm,
        deliver: (transfer, reader) => this.#deliver(attempt, transfer, reader),
        onReady: () => this.#markReady(attempt, to),
        onFinished: () => this.#markFinished(attempt, to),
      });
      world.send(board, to, { request, purpose: 'control', bytes: this.#planBytes(attempt) }, () => {
        if (!this.#isCurrent(attempt) || !to.take(requestId, term, execution)) return;
        attempt.executions.set(to, execution);
        execution.prepare();
        for (const transfer of attempt.early.get(to) ?? []) execution.accept(transfer);
      });
    }
  }

  /** Has the entry hand out the inputs. */
  #feed(attempt: Attempt): void {
    const { world, board, entry, request } = this.#setup;
    const bytes = this.#planBytes(attempt);
    world.send(board, entry, { request, purpose: 'control', bytes }, () => this.#sendInputs(attempt));
  }

  /** Who has a plan is told its digest. */
  #planBytes({ isWarm, prepared }: Attempt): number {
    return isWarm ? CONTROL_BYTES : CONTROL_BYTES + prepared.bytes;
  }

  #isCurrent(attempt: Attempt): boolean {
    return this.#attempt === attempt && !this.#isStopped;
  }

  #markReady(attempt: Attempt, from: Board): void {
    if (!this.#isCurrent(attempt)) return;
    attempt.unready.delete(from);
    if (attempt.unready.size === 0 && !attempt.isWarm) this.#feed(attempt);
  }

  #sendInputs(attempt: Attempt): void {
    if (!this.#isCurrent(attempt)) return;
    const { world, entry, request } = this.#setup;
    for (const transfer of attempt.prepared.dataflow.sends.get(ENTRY_KEY) ?? []) {
      const to = attempt.participants[transfer.to];
      if (to === undefined) continue;
      const { block, part } = transfer;
      const bytes = transferBytes(world.plans.options.bound, transfer) + CONTROL_BYTES;
      world.send(entry, to, { request, purpose: 'input', bytes, block, part }, () =>
        this.#deliver(attempt, transfer, to),
      );
    }
    this.#settle(attempt);
  }

  #deliver(attempt: Attempt, transfer: Transfer, to: Board): void {
    if (!this.#isCurrent(attempt)) return;
    if (attempt.participants[transfer.to] !== undefined) {
      const execution = attempt.executions.get(to);
      if (execution !== undefined) execution.accept(transfer);
      else attempt.early.set(to, [...(attempt.early.get(to) ?? []), transfer]);
      return;
    }
    attempt.outputsLeft -= 1;
    this.#settle(attempt);
  }

  #markFinished(attempt: Attempt, from: Board): void {
    if (!this.#isCurrent(attempt)) return;
    attempt.unfinished.delete(from);
    this.#settle(attempt);
  }

  #settle(attempt: Attempt): void {
    if (attempt.outputsLeft > 0 || attempt.unfinished.size > 0) return;
    this.stop();
    this.#setup.onAnswer(attempt.prepared);
  }

  #lost(board: Board): void {
    const attempt = this.#attempt;
    if (attempt === undefined || this.#isStopped) return;
    const recovery = recoveryFor({
      isReady: attempt.unready.size === 0,
      takesPart: attempt.participants.includes(board),
      owesWork: attempt.unfinished.has(board),
    });
    if (recovery === 'none') return;
    const { world, board: self, request } = this.#setup;
    this.#excluded.add(board);
    for (const [to, execution] of attempt.executions) {
      world.send(self, to, { request, purpose: 'control', bytes: CONTROL_BYTES }, () => execution.drop());
    }
    this.#plan(true);
  }
}
