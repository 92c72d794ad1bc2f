/** Frames on a lane: a header of eight bytes (`constants.ts`), then the bytes. */
import type { FrameSink } from '../sink.ts';
import { HEADER_BYTES } from './constants.ts';

export function writeHeader(target: Buffer, protocol: number, byteLength: number): void {
  target.writeUInt32LE(byteLength, 0);
  target.writeUInt32LE(protocol, 4);
}

/** Takes bytes as they come and hands those of each frame to the sink of its protocol, without gathering them. */
export class FrameReader {
  readonly #sinkFor: (protocol: number, byteLength: number) => FrameSink;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #sink: FrameSink | undefined;
  #missing = 0;

  /** @param sinkFor throws MeshError INVALID_MESSAGE for a protocol that is not expected and a frame that is too large. */
  constructor(sinkFor: (protocol: number, byteLength: number) => FrameSink) {
    this.#sinkFor = sinkFor;
  }

  /** Whether the bytes so far end with a whole frame. */
  get isBetweenFrames(): boolean {
    return this.#sink === undefined && this.#headerBytes === 0;
  }

  /** The number in the last header, whether expected or not. */
  get protocol(): number {
    return this.#header.readUInt32LE(4);
  }

  /** @throws MeshError INVALID_MESSAGE, and whatever a sink throws. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.byteLength) {
      if (this.#sink === undefined) {
        const part = bytes.subarray(at, at + HEADER_BYTES - this.#headerBytes);
        this.#header.set(part, this.#headerBytes);
        this.#headerBytes += part.byteLength;
        at += part.byteLength;
        if (this.#headerBytes < HEADER_BYTES) return;
        this.#begin();
      }
      const end = Math.min(bytes.byteLength, at + this.#missing);
      if (end > at) this.#sink?.push(bytes.subarray(at, end));
      this.#missing -= end - at;
      at = end;
      if (this.#missing === 0) this.#end();
    }
  }

  #begin(): void {
    const byteLength = this.#header.readUInt32LE(0);
    this.#sink = this.#sinkFor(this.protocol, byteLength);
    this.#missing = byteLength;
    this.#sink.begin(byteLength);
  }

  #end(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#headerBytes = 0;
    sink?.end();
  }
}
