/** One request from the client's question to its answer: entry, election, and another coordinator when one is lost. */
import {
  beginEntry,
  nextTickMs,
  stepEntry,
  type EntryEvent,
  type EntryState,
  type EntryStep,
} from '../core/election/entry.ts';
import { LEASE_MS } from '../core/election/lease.ts';
import { rankCandidates } from '../core/election/rendezvous.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import type { Board } from './board.ts';
import { Coordination } from './coordination.ts';
import type { PreparedPlan } from './plan-book.ts';
import { choose, requestIdOf } from './random.ts';
import { CONTROL_BYTES, type World } from './world.ts';

export interface RequestOutcome {
  readonly request: number;
  readonly arrivedMs: number;
  readonly endedMs: number;
  /** `refused`: the entry had too much in hand. */
  readonly outcome: 'answered' | 'failed' | 'refused';
  readonly entry: PeerId;
  readonly coordinator: PeerId | null;
  /** Number of coordinators. */
  readonly terms: number;
  /** Number of plans carried out or begun, over all terms. */
  readonly attempts: number;
  /** Number of entries asked. */
  readonly entries: number;
}

/** An entry's ticks are not finer. */
const MIN_TICK_MS = 1;

export class Request {
  readonly #world: World;
  readonly #index: number;
  readonly #id: RequestId;
  readonly #onEnd: (outcome: RequestOutcome, prepared: PreparedPlan | undefined) => void;
  readonly #arrivedMs: number;
  #entry: Board;
  #entries = 0;
  #attempts = 0;
  #state: EntryState | undefined;
  #coordination: Coordination | undefined;
  #prepared: PreparedPlan | undefined;
  #stopTimer = (): void => undefined;
  readonly #stopListening: () => void;

  constructor(
    world: World,
    index: number,
    onEnd: (outcome: RequestOutcome, prepared: PreparedPlan | undefined) => void,
  ) {
    this.#world = world;
    this.#index = index;
    this.#id = requestIdOf(world.settings.seed, index);
    this.#onEnd = onEnd;
    this.#arrivedMs = world.queue.nowMs;
    this.#entry = this.#chooseEntry();
    this.#stopListening = world.onLost((board) => this.#lost(board));
  }

  /** Who coordinates it now, if anybody does. */
  get coordinator(): Board | undefined {
    const phase = this.#state?.phase;
    return phase?.kind === 'running' ? this.#world.boardOf(phase.peer) : undefined;
  }

  #chooseEntry(): Board {
    return choose(this.#world.members(), this.#world.settings.seed, `entry-${this.#entries}`, this.#index);
  }

  /** The client asks. */
  begin(): void {
    const { settings } = this.#world;
    const entry = this.#entry;
    this.#entries += 1;
    if (entry.requestsInHand >= settings.maxRequests) {
      this.#end('refused', null);
      return;
    }
    entry.requestsInHand += 1;
    entry.script.run(settings.requestMs * entry.model.slowness, () => this.#elect());
  }

  #elect(): void {
    const { queue, settings } = this.#world;
    const candidates = this.#world.members().map(({ peer, profile, announcedLoad }) => ({
      peer,
      weight: profile.macsPerSecond / (1 + announcedLoad),
    }));
    const ranked = rankCandidates(this.#id, candidates);
    this.#apply(beginEntry<PreparedPlan>(this.#id, ranked, this.#arrivedMs + settings.deadlineMs, queue.nowMs));
  }

  #step(event: EntryEvent<PreparedPlan>): void {
    if (this.#state === undefined || this.#entry.isDead) return;
    this.#apply(stepEntry(this.#state, event, this.#world.queue.nowMs));
  }

  #apply([state, effects]: EntryStep<PreparedPlan>): void {
    const { queue } = this.#world;
    this.#state = state;
    this.#stopTimer();
    const dueMs = nextTickMs(state);
    if (dueMs < Infinity) {
      this.#stopTimer = queue.after(Math.max(MIN_TICK_MS, dueMs - queue.nowMs), () => this.#step({ kind: 'tick' }));
    }
    for (const effect of effects) {
      switch (effect.kind) {
        case 'propose':
          this.#propose(effect.peer, effect.term);
          break;
        case 'sendCancel':
          this.#coordination?.stop();
          break;
        case 'deliver':
          this.#prepared = effect.result;
          this.#end('answered', effect.peer);
          break;
        case 'giveUp':
          this.#end('failed', null);
          break;
        // Boards here vanish or work: who is gone is known after a set time.
        case 'doubt':
          break;
      }
    }
  }

  #send(from: Board, to: Board, onReceived: () => void): void {
    this.#world.send(from, to, { request: this.#index, purpose: 'control', bytes: CONTROL_BYTES }, onReceived);
  }

  #propose(peer: PeerId, term: number): void {
    const entry = this.#entry;
    const board = this.#world.boardOf(peer);
    this.#coordination?.stop();
    this.#send(entry, board, () => {
      if (!board.fence.admit(this.#id, term)) {
        const failure = { code: 'STALE_TERM', message: `term ${term} of this request is over` } as const;
        this.#send(board, entry, () => this.#step({ kind: 'declined', peer, term, failure }));
        return;
      }
      const coordination = new Coordination({
        world: this.#world,
        board,
        entry,
        request: this.#index,
        requestId: this.#id,
        term,
        nextAttempt: () => ++this.#attempts,
        onRenew: () => this.#step({ kind: 'renewed', peer, term }),
        onAnswer: (prepared) => this.#answer(board, entry, term, prepared),
      });
      this.#coordination = coordination;
      this.#send(board, entry, () => this.#step({ kind: 'accepted', peer, term, leaseMs: LEASE_MS }));
      coordination.begin();
    });
  }

  #answer(board: Board, entry: Board, term: number, prepared: PreparedPlan): void {
    this.#send(board, entry, () => this.#step({ kind: 'completed', peer: board.peer, term, result: prepared }));
  }

  #lost(board: Board): void {
    if (board !== this.#entry) {
      this.#step({ kind: 'peerLost', peer: board.peer });
      return;
    }
    // The client's connection broke, too: it asks another peer.
    this.#stopTimer();
    this.#coordination?.stop();
    this.#state = undefined;
    if (this.#world.members().length === 0) {
      this.#end('failed', null);
      return;
    }
    this.#entry = this.#chooseEntry();
    this.begin();
  }

  /** Nobody waits for it any longer. */
  abandon(): void {
    this.#coordination?.stop();
    this.#end('failed', null);
  }

  #end(outcome: RequestOutcome['outcome'], coordinator: PeerId | null): void {
    this.#stopTimer();
    this.#stopListening();
    if (outcome !== 'refused') this.#entry.requestsInHand -= 1;
    this.#onEnd(
      {
        request: this.#index,
        arrivedMs: this.#arrivedMs,
        endedMs: this.#world.queue.nowMs,
        outcome,
        entry: this.#entry.peer,
        coordinator,
        terms: this.#state?.term ?? 0,
        attempts: this.#attempts,
        entries: this.#entries,
      },
      this.#prepared,
    );
  }
}
