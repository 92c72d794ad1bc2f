/** The entry: has each request that comes in at this peer answered, once, however often it is asked. */
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import { MeshError } from '../core/errors.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import { EntryDesk, type EntryDeskParts, type EntryRequest, type EntryResult } from './entry-desk.ts';
import { RecentMap } from './recent-map.ts';

export interface EntryParts extends EntryDeskParts {
  /** Requests in hand at a time; further ones are refused. */
  readonly maxRequests: number;
}

/** Answers kept for clients that ask again with the same request id. */
const REMEMBERED_ANSWERS = 128;

export class Entry {
  readonly #parts: EntryParts;
  readonly #desks = new Map<RequestId, EntryDesk>();
  readonly #answers = new RecentMap<RequestId, Promise<EntryResult>>(REMEMBERED_ANSWERS);
  readonly #unsubscribe: (() => void)[] = [];

  constructor(parts: EntryParts) {
    this.#parts = parts;
  }

  start(): void {
    const { elections, plans, members } = this.#parts;
    this.#unsubscribe.push(
      elections.onMessage((from, message) => this.#desks.get(message.requestId)?.message(from, message)),
      plans.onMessage((from, message) => {
        if (message.kind === 'feed') this.#desks.get(message.requestId)?.feed(from, message);
      }),
      members.onLost((peer) => this.#each((desk) => desk.peerLost(peer))),
      members.onFound((peer) => this.#each((desk) => desk.peerFound(peer))),
    );
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#each((desk) => desk.cancel());
  }

  /** Requests in hand. */
  get load(): number {
    return this.#desks.size;
  }

  #each(visit: (desk: EntryDesk) => void): void {
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
    const answer = this.#answer(request);
    this.#answers.set(request.requestId, answer);
    answer.catch(() => this.#answers.delete(request.requestId));
    return answer;
  }

  async #answer(request: EntryRequest): Promise<EntryResult> {
    request.signal.throwIfAborted();
    const desk = new EntryDesk(this.#parts, request);
    this.#desks.set(request.requestId, desk);
    try {
      return await desk.answer();
    } finally {
      this.#desks.delete(request.requestId);
    }
  }

  admits(from: PeerId, header: PieceHeader): boolean {
    return this.#desks.get(header.requestId)?.admits(from, header) ?? false;
  }

  accept(from: PeerId, piece: Piece): void {
    this.#desks.get(piece.requestId)?.accept(from, piece);
  }
}
