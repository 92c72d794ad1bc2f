/** Tensor data between peers: whole, checked pieces over one stream per peer and direction, with credit. */
import { MeshError } from '../../src/core/errors.ts';
import { volume } from '../../src/core/geometry/region.ts';
import type { PeerId } from '../../src/core/ids.ts';
import { ELEMENT_BYTES } from '../../src/core/tensor/data-type.ts';
import type { FrameCarrier } from '../carrier.ts';
import { Channel, type ChannelComponents, type ChannelOptions, type Receiver } from '../channel.ts';
import { Listeners } from '../listeners.ts';
import {
  CREDIT_BYTES,
  MAX_FRAME_BYTES,
  MAX_NAME_BYTES,
  MAX_PIECE_BYTES,
  MAX_RANK,
  PROTOCOL_ID,
  WINDOW_BYTES,
} from './constants.ts';
import { decodeCredit, encodeCredit, encodePiece, headBytes } from './frame.ts';
import type { Piece, PieceHeader } from './messages.ts';
import { Reassembly, type Budget } from './reassembly.ts';

export interface PiecesOptions extends ChannelOptions {
  /** Unfinished pieces from all peers together, bytes; further pieces are dropped. */
  readonly maxReassemblyBytes: number;
}

export const PIECES_DEFAULTS: PiecesOptions = Object.freeze({
  protocol: PROTOCOL_ID,
  maxFrameBytes: MAX_FRAME_BYTES,
  maxStreams: 4,
  openTimeoutMs: 5_000,
  stallTimeoutMs: 10_000,
  maxQueuedBytes: 2 * MAX_PIECE_BYTES,
  maxQueuedShipments: 4096,
  maxReassemblyBytes: 2 * MAX_PIECE_BYTES,
});

/** What has passed between this peer and another since `start`; local deliveries count for the peer itself. */
export interface PieceTraffic {
  readonly piecesSent: number;
  readonly bytesSent: number;
  readonly piecesReceived: number;
  readonly bytesReceived: number;
  /** Pieces that were not admitted. */
  readonly piecesDropped: number;
}

type Counters = { -readonly [Name in keyof PieceTraffic]: PieceTraffic[Name] };

/** Whether anybody here wants a piece. Called before memory is set aside for it. */
export type PieceAdmission = (from: PeerId, header: PieceHeader) => boolean;

export class PiecesService {
  readonly #channel: Channel;
  readonly #pieces = new Listeners<[from: PeerId, piece: Piece]>();
  readonly #traffic = new Map<PeerId, Counters>();
  readonly #budget: Budget;

  /** Replaced by the owner; by default every piece is admitted. */
  admit: PieceAdmission = () => true;

  constructor(components: ChannelComponents, options: PiecesOptions) {
    this.#budget = { free: options.maxReassemblyBytes };
    this.#channel = new Channel(components, options, (stream) => this.#receiverFor(stream), {
      windowBytes: WINDOW_BYTES,
      parse: decodeCredit,
    });
  }

  /** Called by libp2p. */
  start(): Promise<void> {
    return this.#channel.start();
  }

  /** Called by libp2p. What is queued fails; what was handed to a stream is still sent. */
  stop(): Promise<void> {
    return this.#channel.stop();
  }

  /** Called with whole pieces, each in memory of its own. Listeners must not throw. Returns how to stop listening. */
  onPiece(listener: (from: PeerId, piece: Piece) => void): () => void {
    return this.#pieces.add(listener);
  }

  /** Called about peers that break the protocol; their stream has been reset. Returns how to stop listening. */
  onViolation(listener: (peer: PeerId, error: MeshError) => void): () => void {
    return this.#channel.violations.add(listener);
  }

  /**
   * Resolves when all of the piece has been handed to the stream; until then its bytes must stay as they are. A piece for
   * this peer itself is delivered without copying.
   * @throws MeshError INVALID_ARGUMENT for a piece that fits no frame, PEER_LOST, OVERLOADED, CANCELLED,
   * DEADLINE_EXCEEDED, UNAVAILABLE after `stop`.
   */
  async send(peer: PeerId, piece: Piece, signal?: AbortSignal): Promise<void> {
    checkPiece(piece);
    if (peer === this.#channel.self) this.#deliverSoon(piece);
    else await this.#channel.send(peer, encodePiece(piece), piece.bytes.byteLength + headBytes(piece), signal);
    const counters = this.#countersOf(peer);
    counters.piecesSent += 1;
    counters.bytesSent += piece.bytes.byteLength;
  }

  /** A snapshot, by peer. */
  traffic(): ReadonlyMap<PeerId, PieceTraffic> {
    return new Map(Array.from(this.#traffic, ([peer, counters]) => [peer, { ...counters }]));
  }

  /** Drops the counters of a peer that has left. */
  forget(peer: PeerId): void {
    this.#traffic.delete(peer);
  }

  /** Bytes that wait for a peer. */
  queuedBytes(peer: PeerId): number {
    return this.#channel.queuedBytes(peer);
  }

  #receiverFor(stream: FrameCarrier): Receiver {
    const { peer } = stream;
    let consumedBytes = 0;
    const sink = new Reassembly(
      {
        admit: (header) => this.admit(peer, header),
        onPiece: (piece) => {
          if (piece === 'dropped') this.#countersOf(peer).piecesDropped += 1;
          else this.#deliver(peer, piece);
        },
        onConsumed: (frameBytes) => {
          consumedBytes += frameBytes;
          if (consumedBytes < CREDIT_BYTES) return;
          // When credit cannot be sent the stream has ended, which ends the reading too.
          stream.write(encodeCredit(consumedBytes)).catch(() => undefined);
          consumedBytes = 0;
        },
      },
      this.#budget,
    );
    return { sink, ended: () => sink.abandon() };
  }

  #deliverSoon(piece: Piece): void {
    const { self } = this.#channel;
    const { bytes, ...header } = piece;
    if (this.admit(self, { ...header, byteLength: bytes.byteLength })) queueMicrotask(() => this.#deliver(self, piece));
    else this.#countersOf(self).piecesDropped += 1;
  }

  #deliver(from: PeerId, piece: Piece): void {
    const counters = this.#countersOf(from);
    counters.piecesReceived += 1;
    counters.bytesReceived += piece.bytes.byteLength;
    this.#pieces.call(from, piece);
  }

  #countersOf(peer: PeerId): Counters {
    let counters = this.#traffic.get(peer);
    if (counters === undefined) {
      counters = { piecesSent: 0, bytesSent: 0, piecesReceived: 0, bytesReceived: 0, piecesDropped: 0 };
      this.#traffic.set(peer, counters);
    }
    return counters;
  }
}

function checkPiece({ type, region, bytes, tensor }: Piece): void {
  const elementBytes = ELEMENT_BYTES[type];
  const isFitting =
    region.length <= MAX_RANK &&
    Buffer.byteLength(tensor) <= MAX_NAME_BYTES &&
    bytes.byteLength <= MAX_PIECE_BYTES &&
    (elementBytes === 0 || bytes.byteLength === volume(region) * elementBytes);
  if (isFitting) return;
  throw new MeshError(
    'INVALID_ARGUMENT',
    `${bytes.byteLength} bytes of ${tensor.slice(0, 64)} are no piece: they must fill the region, with at most ` +
      `${MAX_RANK} axes, ${MAX_NAME_BYTES} bytes of name and ${MAX_PIECE_BYTES} bytes of data`,
  );
}

/** The libp2p service of `/tilemesh/pieces/1.0.0`. */
export const pieces =
  (init: Partial<Omit<PiecesOptions, 'maxFrameBytes'>> = {}) =>
  (components: ChannelComponents): PiecesService =>
    new PiecesService(components, { ...PIECES_DEFAULTS, ...init });
