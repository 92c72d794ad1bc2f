/** The boards, the clock and the record of a simulation; what every part of it needs. */
import type { Overheads } from '../core/cost/cost-model.ts';
import { MEMBERSHIP_DEFAULTS } from '../core/membership/member.ts';
import { ringNeighbours } from '../core/membership/ring.ts';
import type { PeerId } from '../core/ids.ts';
import type { Board } from './board.ts';
import type { EventQueue } from './event-queue.ts';
import type { PlanBook } from './plan-book.ts';
import type { Purpose, Timeline } from './timeline.ts';

export interface Settings {
  readonly seed: number;
  /** From the death of a peer until the others know: its connections break. */
  readonly noticeMs: number;
  /** Making a plan that is not kept yet, for each operator and each peer cut for, on the machine of the cost model. */
  readonly planMs: number;
  /** What a request costs at its entry and at its coordinator besides messages and tiles, on the machine of the cost model. */
  readonly requestMs: number;
  /** Peers that keep a copy of each chunk of the weights. */
  readonly weightCopies: number;
  /** How long a client waits for an answer. */
  readonly deadlineMs: number;
  /** Requests in hand at an entry; further ones are refused. */
  readonly maxRequests: number;
}

/** Measured with the mesh on x86-64 in the same way as the overheads of the cost model. */
export const SETTINGS: Settings = Object.freeze({
  seed: 1,
  // A killed process; a board without power is silent, and given up after two seconds.
  noticeMs: 17,
  // VGG-16 (38 operators) over 23 peers takes 0.23 to 0.44 s, ResNet-50 (176 operators) 1.0 to 1.2 s.
  planMs: 0.3,
  // LeNet-5 whole on one peer is answered in 5 ms, of which half a millisecond is in the kernel.
  requestMs: 2,
  weightCopies: 5,
  deadlineMs: 60_000,
  maxRequests: 64,
});

/** A message without a tensor, and what a piece takes besides its tensor. */
export const CONTROL_BYTES = 160;

export interface Message {
  readonly request: number;
  readonly purpose: Purpose;
  readonly bytes: number;
  readonly block?: number;
  readonly part?: number;
}

const messageMs = ({ messageMs: fixedMs, byteMs }: Overheads, bytes: number): number => fixedMs + bytes * byteMs;

export class World {
  readonly queue: EventQueue;
  readonly boards: readonly Board[];
  readonly timeline: Timeline;
  readonly plans: PlanBook;
  readonly settings: Settings;
  readonly #byPeer: ReadonlyMap<PeerId, Board>;
  readonly #index: ReadonlyMap<Board, number>;
  readonly #lost = new Set<Board>();
  readonly #listeners = new Set<(board: Board) => void>();

  constructor(queue: EventQueue, boards: readonly Board[], timeline: Timeline, plans: PlanBook, settings: Settings) {
    this.queue = queue;
    this.boards = boards;
    this.timeline = timeline;
    this.plans = plans;
    this.settings = settings;
    this.#byPeer = new Map(boards.map((board) => [board.peer, board]));
    this.#index = new Map(boards.map((board, index) => [board, index]));
  }

  boardOf(peer: PeerId): Board {
    return this.#byPeer.get(peer)!;
  }

  indexOf(board: Board): number {
    return this.#index.get(board)!;
  }

  /** Boards that the others take to be alive. */
  members(): readonly Board[] {
    return this.boards.filter((board) => !this.#lost.has(board));
  }

  /** Called when the others notice that a board is gone. Returns how to stop listening. */
  onLost(listener: (board: Board) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  kill(board: Board): void {
    if (board.isDead) return;
    board.die();
    this.timeline.mark({ atMs: this.queue.nowMs, board: this.indexOf(board), request: 0, what: 'vanishes' });
    this.queue.after(this.settings.noticeMs, () => {
      this.#lost.add(board);
      for (const listener of [...this.#listeners]) listener(board);
    });
  }

  /**
   * Sends a message and charges both ends for it. What a board tells itself costs nothing; what is sent to or by a board that
   * has vanished arrives nowhere.
   */
  send(from: Board, to: Board, message: Message, onReceived: () => void): void {
    if (from === to) {
      this.queue.after(0, () => {
        if (!to.isDead) onReceived();
      });
      return;
    }
    const { request, purpose, bytes, block = -1, part = -1 } = message;
    from.script.run(messageMs(from.model.overheads, bytes), () => {
      from.link.carry(this.queue, to.link, bytes, (passage) => {
        if (to.isDead) return;
        const ends = { from: this.indexOf(from), to: this.indexOf(to) };
        this.timeline.message({ request, purpose, bytes, block, part, ...ends, ...passage });
        to.script.run(messageMs(to.model.overheads, bytes), onReceived);
      });
    });
  }

  /** Everybody's heartbeat to its neighbours in the ring, for as long as the simulation runs. */
  startHeartbeats(phaseOf: (board: number) => number): void {
    const { heartbeatMs } = MEMBERSHIP_DEFAULTS;
    for (const [index, board] of this.boards.entries()) {
      const others = (): number => {
        const peers = this.members().map(({ peer }) => peer);
        return ringNeighbours(board.peer, peers).size * board.model.overheads.messageMs;
      };
      // What is sent goes out at once, what is received comes as it comes.
      const send = (): void => {
        if (board.isDead) return;
        board.announcedLoad = board.load;
        board.script.run(others(), () => undefined);
        this.queue.after(heartbeatMs, send);
      };
      const receive = (): void => {
        if (board.isDead) return;
        board.script.run(others() / RECEPTIONS, () => undefined);
        this.queue.after(heartbeatMs / RECEPTIONS, receive);
      };
      this.queue.at(phaseOf(index) * heartbeatMs, send);
      this.queue.at((phaseOf(index) * heartbeatMs) / RECEPTIONS, receive);
    }
  }
}

/** Heartbeats of others are received in so many portions between two of one's own. */
const RECEPTIONS = 4;
