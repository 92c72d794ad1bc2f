/**
 * One lane: a TLS connection to one peer that carries the frames of several protocols. The sender of frames writes; the
 * receiver writes nothing but credit. It breaks as a whole: when one protocol aborts, the others open another.
 */
import type { Socket } from 'node:net';
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { PeerId } from '../../src/core/ids.ts';
import type { FrameCarrier } from '../carrier.ts';
import * as fields from '../fields.ts';
import { spoken, type Frame, type FramingOptions } from '../framing.ts';
import type { FrameSink } from '../sink.ts';
import { HEADER_BYTES, MAX_WAITING_BYTES, SMALL_FRAME_BYTES } from './constants.ts';
import { FrameReader, writeHeader } from './frames.ts';

interface Reading {
  readonly sink: FrameSink;
  readonly maxFrameBytes: number;
  readonly resolve: () => void;
  readonly reject: (error: MeshError) => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: MeshError) => void;
}

const WRITTEN = Promise.resolve();

export class Lane {
  readonly peer: PeerId;
  /** Ids of the protocols it carries, in the order of their numbers. */
  readonly protocols: readonly string[];
  readonly #socket: Socket;
  readonly #stallTimeoutMs: number;
  readonly #reader: FrameReader;
  readonly #readings = new Map<number, Reading>();
  readonly #carriers = new Set<LaneCarrier>();
  readonly #closed = Promise.withResolvers<undefined>();
  #isClosed = false;
  #hasEnded = false;
  #waiters: Waiter[] = [];
  #stall: NodeJS.Timeout | undefined;

  /** @param socket secured; its bytes come through `push`. */
  constructor(peer: PeerId, protocols: readonly string[], socket: Socket, stallTimeoutMs: number) {
    this.peer = peer;
    this.protocols = protocols;
    this.#socket = socket;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#reader = new FrameReader((protocol, byteLength) => this.#sinkFor(protocol, byteLength));
    socket.on('error', () => undefined);
    socket.on('end', () => this.#finish());
    socket.on('close', () => this.#break());
    if (socket.destroyed) this.#break();
  }

  isOpen(): boolean {
    return !this.#isClosed && this.#socket.writable;
  }

  /** Resolves when the connection is gone. */
  get closed(): Promise<unknown> {
    return this.#closed.promise;
  }

  /** Undefined for a protocol it does not carry. */
  carrier(options: FramingOptions): LaneCarrier | undefined {
    const number = this.protocols.findIndex((protocol) => spoken(options).includes(protocol));
    if (number === -1 || !this.isOpen()) return undefined;
    const carrier = new LaneCarrier(this, number, options);
    this.#carriers.add(carrier);
    return carrier;
  }

  /** What came from the peer. Views of `bytes` are not kept. */
  push(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#reader.push(bytes);
    } catch (error) {
      this.abort(toMeshError(error), this.#reader.protocol);
    }
  }

  /** Ends the lane; what waits is dropped. Who reads the protocol at fault gets the error, the others PEER_LOST. */
  abort(error: MeshError, protocol?: number): void {
    if (protocol !== undefined) this.#readings.get(protocol)?.reject(error);
    this.#socket.destroy();
    this.#break();
  }

  /** Sends what waits, then ends the lane. */
  async end(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    const timer = setTimeout(() => this.#socket.destroy(), timeoutMs);
    this.#socket.end();
    await this.closed;
    clearTimeout(timer);
  }

  /** One of its carriers is done with; the lane ends with the last. */
  async release(carrier: LaneCarrier, timeoutMs: number): Promise<void> {
    this.#carriers.delete(carrier);
    if (this.#carriers.size === 0) await this.end(timeoutMs);
  }

  /** Resolves when the frame's bytes are encrypted, or copied, and more can be taken. */
  write(protocol: number, frame: Frame): Promise<void> {
    const socket = this.#socket;
    if (!this.isOpen()) return Promise.reject(this.lost());
    const isSmall = frame.byteLength <= SMALL_FRAME_BYTES;
    const head = Buffer.allocUnsafe(HEADER_BYTES + (isSmall ? frame.byteLength : 0));
    writeHeader(head, protocol, frame.byteLength);
    if (isSmall) {
      let at = HEADER_BYTES;
      for (const part of partsOf(frame)) {
        head.set(part, at);
        at += part.byteLength;
      }
      socket.write(head, this.#onWritten);
      if (socket.writableLength <= MAX_WAITING_BYTES) return WRITTEN;
    } else {
      socket.cork();
      socket.write(head);
      for (const part of partsOf(frame)) socket.write(part, this.#onWritten);
      socket.uncork();
    }
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    if (this.#waiters.length === 0) this.#watch();
    this.#waiters.push({ resolve: () => resolve(undefined), reject });
    return promise;
  }

  read(protocol: number, maxFrameBytes: number, sink: FrameSink): Promise<void> {
    if (this.#hasEnded) return Promise.resolve();
    if (this.#isClosed) return Promise.reject(this.lost());
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#readings.set(protocol, { sink, maxFrameBytes, resolve: () => resolve(undefined), reject });
    return promise;
  }

  lost(cause?: unknown): MeshError {
    return new MeshError('PEER_LOST', `the lane to peer ${this.peer} ended; check that it runs and is reachable`, {
      cause,
      details: { peer: this.peer },
    });
  }

  readonly #onWritten = (): void => {
    if (this.#waiters.length === 0 || this.#socket.writableLength > 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve } of waiters) resolve();
  };

  /** One timer for all that wait. */
  #watch(): void {
    this.#stall ??= setTimeout(() => {
      if (this.#waiters.length === 0) return;
      const message = `peer ${this.peer} read nothing for ${this.#stallTimeoutMs} ms; check whether it is frozen or cut off`;
      this.#fail(new MeshError('PEER_LOST', message, { details: { peer: this.peer } }));
      this.#socket.destroy();
    }, this.#stallTimeoutMs).unref();
    this.#stall.refresh();
  }

  #sinkFor(protocol: number, byteLength: number): FrameSink {
    const reading = this.#readings.get(protocol);
    if (reading === undefined)
      throw fields.invalid(`a frame of protocol ${protocol} came on a lane that has none such`);
    if (byteLength > reading.maxFrameBytes) {
      throw fields.invalid(`a frame of ${byteLength} bytes exceeds the ${reading.maxFrameBytes} of its protocol`);
    }
    return reading.sink;
  }

  /** The peer sends no more. */
  #finish(): void {
    if (!this.#reader.isBetweenFrames) return;
    this.#hasEnded = true;
    for (const { resolve } of this.#readings.values()) resolve();
    this.#readings.clear();
  }

  #break(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#stall);
    this.#fail(this.lost());
    for (const { reject } of this.#readings.values()) reject(this.lost());
    this.#readings.clear();
    this.#closed.resolve(undefined);
  }

  #fail(error: MeshError): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
}

/** The frames of one protocol on a lane. */
export class LaneCarrier implements FrameCarrier {
  readonly #lane: Lane;
  readonly #number: number;
  readonly #options: FramingOptions;
  #isClosed = false;

  constructor(lane: Lane, number: number, options: FramingOptions) {
    this.#lane = lane;
    this.#number = number;
    this.#options = options;
  }

  get peer(): PeerId {
    return this.#lane.peer;
  }

  isOpen(): boolean {
    return !this.#isClosed && this.#lane.isOpen();
  }

  write(frame: Frame): Promise<void> {
    const { maxFrameBytes, protocol } = this.#options;
    if (frame.byteLength > maxFrameBytes) {
      const message = `a frame of ${frame.byteLength} bytes exceeds the ${maxFrameBytes} of ${protocol}`;
      return Promise.reject(new MeshError('INTERNAL', message));
    }
    return this.#isClosed ? Promise.reject(this.#lane.lost()) : this.#lane.write(this.#number, frame);
  }

  readInto(sink: FrameSink): Promise<void> {
    return this.#lane.read(this.#number, this.#options.maxFrameBytes, sink);
  }

  onceClosed(listener: () => void): () => void {
    let isWanted = true;
    void this.#lane.closed.then(() => {
      if (isWanted) listener();
    });
    return () => (isWanted = false);
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#lane.release(this, timeoutMs);
  }

  abort(error: Error): void {
    this.#isClosed = true;
    this.#lane.abort(toMeshError(error), this.#number);
  }
}

const partsOf = (frame: Frame): Iterable<Uint8Array> => (frame instanceof Uint8Array ? [frame] : frame);
