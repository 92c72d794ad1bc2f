/**
 * Chunks of one stream put together into pieces, each byte copied once: from where it arrived to its place in the piece. The
 * chunks of a piece follow each other; a chunk at offset 0 begins a new piece and abandons an unfinished one, which is how
 * senders cancel. So one stream holds one unfinished piece.
 */
import { crc32 } from 'node:zlib';
import * as fields from '../fields.ts';
import type { FrameSink } from '../sink.ts';
import { decodeChunk, decodeHeader, FIXED_BYTES, headLength, isSamePiece, MAX_HEAD_BYTES } from './frame.ts';
import type { Piece, PieceHeader } from './messages.ts';

interface Unfinished {
  /** Head of its first chunk. */
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

export interface ReassemblyEvents {
  /** Whether anybody wants the piece. Called before memory is set aside for it. */
  readonly admit: (header: PieceHeader) => boolean;
  /** A piece is complete and its checksums are right; `dropped` for one that was not admitted. */
  readonly onPiece: (piece: Piece | 'dropped') => void;
  /** A frame has been consumed. */
  readonly onConsumed: (frameBytes: number) => void;
}

export class Reassembly implements FrameSink {
  readonly #events: ReassemblyEvents;
  readonly #budget: Budget;
  #piece: Unfinished | undefined;
  /** The frame that is arriving: its head, first of all. */
  readonly #head = new Uint8Array(MAX_HEAD_BYTES);
  #headBytes = 0;
  /** How much of a head there must be before anything can be done with it. */
  #headLength = FIXED_BYTES;
  #isHeadKnown = false;
  #frameBytes = 0;
  /** Where the next payload goes. */
  #position = 0;
  #checksum = 0;
  #expectedChecksum = 0;

  constructor(events: ReassemblyEvents, budget: Budget) {
    this.#events = events;
    this.#budget = budget;
  }

  begin(byteLength: number): void {
    this.#frameBytes = byteLength;
    this.#headBytes = 0;
    this.#headLength = FIXED_BYTES;
    this.#isHeadKnown = false;
  }

  /** @throws MeshError INVALID_MESSAGE */
  push(bytes: Uint8Array): void {
    const rest = this.#isHeadKnown ? bytes : this.#takeHead(bytes);
    if (rest.byteLength === 0) return;
    this.#checksum = crc32(rest, this.#checksum);
    this.#piece?.bytes?.set(rest, this.#position);
    this.#position += rest.byteLength;
  }

  /** @throws MeshError INVALID_MESSAGE */
  end(): void {
    if (!this.#isHeadKnown) throw fields.invalid(`a frame of ${this.#frameBytes} bytes is no chunk`);
    if (this.#checksum !== this.#expectedChecksum) {
      throw fields.invalid('the checksum of a chunk does not match: it was corrupted on its way');
    }
    const piece = this.#piece;
    if (piece === undefined) return;
    piece.received = this.#position;
    if (piece.received === piece.header.byteLength) {
      this.abandon();
      const { byteLength: _, ...header } = piece.header;
      this.#events.onPiece(piece.bytes === undefined ? 'dropped' : { ...header, bytes: piece.bytes });
    }
    this.#events.onConsumed(this.#frameBytes);
  }

  /** Forgets the unfinished piece. */
  abandon(): void {
    this.#budget.free += this.#piece?.bytes?.byteLength ?? 0;
    this.#piece = undefined;
  }

  /** What is left of the bytes when the head is complete; nothing before. */
  #takeHead(bytes: Uint8Array): Uint8Array {
    let at = 0;
    while (!this.#isHeadKnown && at < bytes.byteLength) {
      const part = bytes.subarray(at, at + this.#headLength - this.#headBytes);
      this.#head.set(part, this.#headBytes);
      this.#headBytes += part.byteLength;
      at += part.byteLength;
      if (this.#headBytes < this.#headLength) break;
      if (this.#headLength === FIXED_BYTES) this.#headLength = headLength(this.#head.subarray(0, FIXED_BYTES));
      if (this.#headBytes === this.#headLength) this.#beginChunk(this.#head.subarray(0, this.#headLength));
    }
    return bytes.subarray(at);
  }

  #beginChunk(head: Uint8Array): void {
    const { offset, byteLength, headSum, sum } = decodeChunk(head, this.#frameBytes);
    const piece = offset === 0 ? this.#beginPiece(head.slice()) : this.#piece;
    if (piece?.received !== offset || !isSamePiece(piece.head, head)) {
      throw fields.invalid(`a chunk at offset ${offset} continues no piece`);
    }
    if (offset + byteLength > piece.header.byteLength || (byteLength === 0 && piece.header.byteLength > 0)) {
      throw fields.invalid(`a chunk of ${byteLength} bytes at offset ${offset} does not fit its piece`);
    }
    this.#isHeadKnown = true;
    this.#position = offset;
    this.#checksum = headSum;
    this.#expectedChecksum = sum;
  }

  #beginPiece(head: Uint8Array): Unfinished {
    this.abandon();
    const header = decodeHeader(head);
    const isAdmitted = header.byteLength <= this.#budget.free && this.#events.admit(header);
    // Every byte is written before the piece is handed on, so the memory need not be cleared.
    const bytes = isAdmitted ? new Uint8Array(Buffer.allocUnsafeSlow(header.byteLength).buffer) : undefined;
    this.#budget.free -= bytes?.byteLength ?? 0;
    this.#piece = { head, header, bytes, received: 0 };
    return this.#piece;
  }
}
