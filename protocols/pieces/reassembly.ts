/**
 * Chunks of one stream put together into pieces. The chunks of a piece follow each other; a chunk at offset 0 begins a
 * new piece and abandons an unfinished one, which is how senders cancel. So one stream holds one unfinished piece.
 */
import type { Uint8ArrayList } from 'uint8arraylist';
import * as fields from '../fields.ts';
import { decodeChunk, decodeHeader, isSamePiece } from './frame.ts';
import type { Piece, PieceHeader } from './messages.ts';

interface Unfinished {
  readonly head: Uint8Array;
  readonly header: PieceHeader;
  /** Absent when nobody wants the piece: its chunks are passed over. */
  readonly bytes: Uint8Array | undefined;
  received: number;
}

/** Memory that unfinished pieces of all streams share. */
export interface Budget {
  /** Bytes still to be had. */
  free: number;
}

export class Reassembly {
  readonly #admit: (header: PieceHeader) => boolean;
  readonly #budget: Budget;
  #piece: Unfinished | undefined;

  constructor(admit: (header: PieceHeader) => boolean, budget: Budget) {
    this.#admit = admit;
    this.#budget = budget;
  }

  /** The piece that this frame completes, `dropped` for one that was not admitted, undefined when more is to come. */
  take(frame: Uint8ArrayList): Piece | 'dropped' | undefined {
    const { offset, byteLength, head } = decodeChunk(frame);
    const piece = offset === 0 ? this.#begin(head.slice()) : this.#piece;
    if (piece?.received !== offset || !isSamePiece(piece.head, head)) {
      throw fields.invalid(`a chunk at offset ${offset} continues no piece`);
    }
    if (offset + byteLength > piece.header.byteLength || (byteLength === 0 && piece.header.byteLength > 0)) {
      throw fields.invalid(`a chunk of ${byteLength} bytes at offset ${offset} does not fit its piece`);
    }
    if (piece.bytes !== undefined) {
      let position = offset;
      for (const part of frame.sublist(head.byteLength)) {
        piece.bytes.set(part, position);
        position += part.byteLength;
      }
    }
    piece.received += byteLength;
    if (piece.received < piece.header.byteLength) return undefined;
    this.abandon();
    if (piece.bytes === undefined) return 'dropped';
    const { byteLength: _, ...header } = piece.header;
    return { ...header, bytes: piece.bytes };
  }

  /** Forgets the unfinished piece. */
  abandon(): void {
    this.#budget.free += this.#piece?.bytes?.byteLength ?? 0;
    this.#piece = undefined;
  }

  #begin(head: Uint8Array): Unfinished {
    this.abandon();
    const header = decodeHeader(head);
    const isAdmitted = header.byteLength <= this.#budget.free && this.#admit(header);
    // Every byte is written before the piece is handed on, so the memory need not be cleared.
    const bytes = isAdmitted ? new Uint8Array(Buffer.allocUnsafeSlow(header.byteLength).buffer) : undefined;
    this.#budget.free -= bytes?.byteLength ?? 0;
    this.#piece = { head, header, bytes, received: 0 };
    return this.#piece;
  }
}
