/**
 * Pieces that come before the plan they belong to. Pieces, inputs and plans come from different peers, so when nobody waits
 * until all are ready a neighbour's first result may overtake the plan. Such pieces are kept for a while, within bounds that
 * are checked before memory is set aside. Where one does not fit, its attempt is marked: once its plan comes this peer says
 * that it has missed a piece, and the coordinator begins again, waiting for all. So no request waits for a dropped piece.
 */
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import { isNewer, isSame, type AttemptId } from './attempt-id.ts';
import type { Clock } from './ports.ts';

export interface EarlyLimits {
  readonly bytes: number;
  readonly bytesPerSender: number;
  /** Attempts with pieces kept or missed; of those heard of longest ago the mark is lost. */
  readonly attempts: number;
  /** Kept no longer than this, then missed. */
  readonly ageMs: number;
}

export const EARLY_DEFAULTS: EarlyLimits = Object.freeze({
  bytes: 64 * 2 ** 20,
  bytesPerSender: 16 * 2 ** 20,
  attempts: 1024,
  ageMs: 10_000,
});

export interface EarlyPiece {
  readonly from: PeerId;
  readonly piece: Piece;
  readonly arrivedMs: number;
}

interface Kept {
  readonly id: AttemptId;
  readonly sinceMs: number;
  readonly pieces: EarlyPiece[];
  /** Set aside, whether arrived or on its way. */
  readonly bytes: Map<PeerId, number>;
  isMissed: boolean;
}

/** What a piece takes beside its bytes, roughly; so many small ones count too. */
const PIECE_BYTES = 1024;

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, number) => total + number, 0);

export class EarlyPieces {
  readonly #clock: Clock;
  readonly #limits: EarlyLimits;
  /** The newest attempt of each request, oldest first. */
  readonly #kept = new Map<RequestId, Kept>();
  readonly #senders = new Map<PeerId, number>();
  #stopTimer: (() => void) | undefined;

  constructor(clock: Clock, limits: EarlyLimits = EARLY_DEFAULTS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Bytes set aside. */
  get bytes(): number {
    return sum(this.#senders.values());
  }

  /** Whether there is room for a piece that is about to come; if so, it is set aside. */
  admit(from: PeerId, header: PieceHeader): boolean {
    const kept = this.#of(header);
    if (kept === undefined || kept.isMissed) return false;
    const size = header.byteLength + PIECE_BYTES;
    const ofSender = (this.#senders.get(from) ?? 0) + size;
    if (ofSender > this.#limits.bytesPerSender || this.bytes + size > this.#limits.bytes) {
      this.#miss(kept);
      return false;
    }
    kept.bytes.set(from, (kept.bytes.get(from) ?? 0) + size);
    this.#senders.set(from, ofSender);
    return true;
  }

  /** Keeps a piece that was admitted. */
  keep(from: PeerId, piece: Piece): void {
    const kept = this.#kept.get(piece.requestId);
    if (kept === undefined || !isSame(kept.id, piece) || kept.isMissed) return;
    kept.pieces.push({ from, piece, arrivedMs: this.#clock.now() });
  }

  /** The plan is here: what has come for it, or `missed` where that is not all. Those on their way are no longer counted. */
  claim(id: AttemptId): readonly EarlyPiece[] | 'missed' {
    const kept = this.#kept.get(id.requestId);
    if (kept === undefined || isNewer(kept.id, id)) return [];
    this.#release(kept);
    this.#kept.delete(id.requestId);
    if (!isSame(kept.id, id)) return [];
    return kept.isMissed ? 'missed' : kept.pieces;
  }

  stop(): void {
    this.#stopTimer?.();
    this.#kept.clear();
    this.#senders.clear();
  }

  /** What is kept for an attempt; undefined for one that has been replaced. */
  #of({ requestId, term, attempt }: AttemptId): Kept | undefined {
    const id = { requestId, term, attempt };
    const known = this.#kept.get(requestId);
    if (known !== undefined && isSame(known.id, id)) return known;
    if (known !== undefined && isNewer(known.id, id)) return undefined;
    if (known !== undefined) this.#release(known);
    const kept = { id, sinceMs: this.#clock.now(), pieces: [], bytes: new Map(), isMissed: false };
    this.#kept.delete(requestId);
    this.#kept.set(requestId, kept);
    for (const [oldest, other] of this.#kept) {
      if (this.#kept.size <= this.#limits.attempts) break;
      this.#release(other);
      this.#kept.delete(oldest);
    }
    this.#stopTimer ??= this.#clock.after(this.#limits.ageMs, () => this.#expire());
    return kept;
  }

  #release({ bytes }: Kept): void {
    for (const [from, own] of bytes) {
      const left = (this.#senders.get(from) ?? 0) - own;
      if (left > 0) this.#senders.set(from, left);
      else this.#senders.delete(from);
    }
    bytes.clear();
  }

  #miss(kept: Kept): void {
    this.#release(kept);
    kept.pieces.length = 0;
    kept.isMissed = true;
  }

  #expire(): void {
    const { ageMs } = this.#limits;
    this.#stopTimer = undefined;
    const young = [...this.#kept.values()].filter((kept) => {
      const isOld = this.#clock.now() - kept.sinceMs >= ageMs;
      if (isOld) this.#miss(kept);
      return !isOld && !kept.isMissed;
    });
    if (young.length > 0) this.#stopTimer = this.#clock.after(ageMs, () => this.#expire());
  }
}
