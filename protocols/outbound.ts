/**
 * The sending end of a one-way channel to one peer: a bounded queue in front of one long-lived stream, which is opened
 * when there is something to send and forgotten when it breaks. Shipments leave in the order they were handed in.
 */
import { MeshError } from '../src/core/errors.ts';
import type { PeerId } from '../src/core/ids.ts';
import { UNBOUNDED_SHARE, type BytePool, type Share } from './byte-pool.ts';
import type { FrameCarrier } from './carrier.ts';
import type { Frame } from './framing.ts';
import { wholeFrames } from './sink.ts';
import { abortError, waitFor } from './wait.ts';

export interface OutboundLimits {
  /** Bytes queued and not yet sent. One shipment alone may exceed it. */
  readonly maxQueuedBytes: number;
  readonly maxQueuedShipments: number;
  /** Bytes queued for all peers together, by all protocols that have the pool; unbounded when absent. */
  readonly queuePool?: BytePool;
  /** How long a receiver may withhold credit before it counts as lost. */
  readonly stallTimeoutMs: number;
}

/** Credit-based flow control, where a protocol has it. */
export interface CreditScheme {
  /** Bytes of frames that may be on their way on a new stream. */
  readonly windowBytes: number;
  /** The bytes of credit that a frame of the receiver returns. @throws MeshError INVALID_MESSAGE */
  readonly parse: (frame: Frame) => number;
}

/** What a shipment takes beside its bytes, roughly; so many small ones count too. */
const SHIPMENT_BYTES = 1024;
/** Frames under this size together are handed to the stream without waiting in between, so that they can leave together. */
const MAX_UNWRITTEN_BYTES = 256 * 1024;
const NOTHING_TO_WRITE = Promise.resolve();

interface Shipment {
  /** Made one by one while sending, so that no more than one frame is in memory beyond what the sender holds. */
  readonly frames: Iterable<Frame>;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: MeshError) => void;
}

export class Outbound {
  readonly #peer: PeerId;
  readonly #open: () => Promise<FrameCarrier>;
  readonly #limits: OutboundLimits;
  readonly #share: Share;
  readonly #credit: CreditScheme | undefined;
  readonly #queue: Shipment[] = [];
  #queuedBytes = 0;
  #queuedShipments = 0;
  #stream: FrameCarrier | undefined;
  #creditBytes = 0;
  #unwrittenBytes = 0;
  /** Settles with the frame written last, and so with all before it. */
  #written = NOTHING_TO_WRITE;
  #wake: (() => void) | undefined;
  #isPumping = false;
  #isStopped = false;

  constructor(peer: PeerId, open: () => Promise<FrameCarrier>, limits: OutboundLimits, credit?: CreditScheme) {
    this.#peer = peer;
    this.#open = open;
    this.#limits = limits;
    this.#share = limits.queuePool?.shareOf(peer) ?? UNBOUNDED_SHARE;
    this.#credit = credit;
  }

  /** Nothing queued, nothing open: it can be forgotten. */
  get isIdle(): boolean {
    return this.#queuedShipments === 0 && this.#stream === undefined;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether a shipment of this size would be taken. */
  hasRoomFor(byteLength: number): boolean {
    const { maxQueuedBytes, maxQueuedShipments } = this.#limits;
    if (!this.#share.hasRoomFor(byteLength + SHIPMENT_BYTES)) return false;
    if (this.#queuedShipments === 0) return true;
    return this.#queuedShipments < maxQueuedShipments && this.#queuedBytes + byteLength <= maxQueuedBytes;
  }

  /** Why a shipment was not taken. */
  overload(): MeshError {
    const { queuePool } = this.#limits;
    const ofAll = queuePool === undefined ? '' : `, and ${queuePool.heldBytes} for all peers together`;
    return new MeshError(
      'OVERLOADED',
      `${this.#queuedBytes} bytes already wait for peer ${this.#peer}, which reads too slowly${ofAll}; ` +
        'retry later or use other peers',
      { details: { peer: this.#peer } },
    );
  }

  /**
   * Resolves when all frames have been handed to the stream. Cancelling takes effect between frames.
   * @throws MeshError OVERLOADED when the queue is full, PEER_LOST, CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE when stopped.
   */
  send(frames: Iterable<Frame>, byteLength: number, signal?: AbortSignal): Promise<void> {
    if (this.#isStopped) return Promise.reject(stopped());
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    if (!this.hasRoomFor(byteLength)) return Promise.reject(this.overload());
    this.#count(1, byteLength);
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const shipment: Shipment = { frames, signal, resolve: () => resolve(undefined), reject };
    const dropCancelled = (): void => this.#drop(shipment);
    this.#queue.push(shipment);
    void this.#pump();
    // Most have left the queue by now, and listening takes longer than sending.
    if (this.#queue.at(-1) === shipment) signal?.addEventListener('abort', dropCancelled);
    return promise.finally(() => {
      signal?.removeEventListener('abort', dropCancelled);
      this.#count(-1, -byteLength);
    });
  }

  #count(shipments: number, bytes: number): void {
    this.#queuedShipments += shipments;
    this.#queuedBytes += bytes;
    this.#share.hold(this.#queuedBytes + SHIPMENT_BYTES * this.#queuedShipments);
  }

  /** Sends no more; what is queued fails with UNAVAILABLE, what the stream holds already is still sent. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopped = true;
    this.#failQueued(stopped());
    await this.#stream?.close(timeoutMs);
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#queue.length > 0) {
        const stream = this.#stream?.isOpen() === true ? this.#stream : await this.#reopen();
        const shipment = this.#queue.shift();
        if (shipment !== undefined) await this.#ship(shipment, stream);
      }
    } catch (error) {
      this.#failQueued(this.#lost(error));
    } finally {
      this.#isPumping = false;
    }
  }

  /** Rejects the shipment, and throws when the stream cannot carry the next one either. */
  async #ship({ frames, signal, resolve, reject }: Shipment, stream: FrameCarrier): Promise<void> {
    const fail = (error: unknown): MeshError => {
      const failure = this.#lost(error);
      reject(failure);
      stream.abort(failure);
      return failure;
    };
    try {
      for (const frame of frames) {
        if (signal?.aborted === true) throw abortError(signal);
        if (this.#credit !== undefined) await this.#spend(frame.byteLength, stream, signal);
        if (this.#unwrittenBytes > 0 && this.#unwrittenBytes + frame.byteLength > MAX_UNWRITTEN_BYTES) {
          await this.#written;
        }
        this.#write(frame, stream);
      }
    } catch (error) {
      if (signal?.aborted !== true || !stream.isOpen()) throw fail(error);
      reject(abortError(signal));
      return;
    }
    this.#written.then(resolve, fail);
  }

  #write(frame: Frame, stream: FrameCarrier): void {
    const { byteLength } = frame;
    this.#unwrittenBytes += byteLength;
    this.#written = stream.write(frame).finally(() => (this.#unwrittenBytes -= byteLength));
    // Whoever waits for it sees the failure; that of a frame in the middle is that of the last.
    this.#written.catch(() => undefined);
  }

  async #reopen(): Promise<FrameCarrier> {
    const stream = await this.#open();
    if (this.#isStopped) {
      stream.abort(stopped());
      throw stopped();
    }
    this.#stream = stream;
    this.#creditBytes = this.#credit?.windowBytes ?? 0;
    stream.onceClosed(() => {
      if (this.#stream === stream) this.#stream = undefined;
      this.#wake?.();
    });
    // Receivers send nothing but credit. Reading also notices when they end the stream.
    stream
      .readInto(
        wholeFrames((frame) => {
          if (this.#credit === undefined || this.#stream !== stream) return;
          this.#creditBytes = Math.min(this.#credit.windowBytes, this.#creditBytes + this.#credit.parse(frame));
          this.#wake?.();
        }),
      )
      .then(
        () => stream.close(this.#limits.stallTimeoutMs),
        () => undefined,
      )
      .catch(() => undefined);
    return stream;
  }

  async #spend(bytes: number, stream: FrameCarrier, signal: AbortSignal | undefined): Promise<void> {
    while (this.#creditBytes < bytes && stream.isOpen()) {
      await waitFor<undefined>(
        (resolve) => {
          this.#wake = () => resolve(undefined);
          return () => (this.#wake = undefined);
        },
        {
          signal,
          timeoutMs: this.#limits.stallTimeoutMs,
          onTimeout: () =>
            new MeshError(
              'PEER_LOST',
              `peer ${this.#peer} took nothing for ${this.#limits.stallTimeoutMs} ms; check whether it is frozen`,
              { details: { peer: this.#peer } },
            ),
        },
      );
    }
    this.#creditBytes -= bytes;
  }

  #drop(shipment: Shipment): void {
    const index = this.#queue.indexOf(shipment);
    if (index === -1 || shipment.signal === undefined) return;
    this.#queue.splice(index, 1);
    shipment.reject(abortError(shipment.signal));
  }

  #failQueued(error: MeshError): void {
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }

  #lost(error: unknown): MeshError {
    if (error instanceof MeshError) return error;
    return new MeshError('PEER_LOST', `sending to peer ${this.#peer} failed; check that it runs and is reachable`, {
      cause: error,
      details: { peer: this.#peer },
    });
  }
}

const stopped = (): MeshError => new MeshError('UNAVAILABLE', 'this peer is shutting down; ask another peer');
