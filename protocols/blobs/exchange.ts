/** The asking end of one stream: requests go out, whole answers come back in the same order. */
import type { Uint8ArrayList } from 'uint8arraylist';
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import * as fields from '../fields.ts';
import type { FrameStream } from '../framing.ts';
import { abortError } from '../wait.ts';
import { MAX_ANSWER_BYTES } from './constants.ts';
import { requestCodec, responseCodec, type BlobPart, type BlobRequest } from './messages.ts';

interface Pending {
  readonly maxBytes: number;
  readonly resolve: (answer: Uint8Array | null) => void;
  readonly reject: (error: MeshError) => void;
}

interface Unfinished {
  readonly bytes: Uint8Array;
  received: number;
}

export class Exchange {
  readonly #stream: FrameStream;
  readonly #idleTimeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #pending: Pending[] = [];
  readonly #onAbort = (): void => this.#fail(abortError(this.#signal));
  #answer: Unfinished | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: FrameStream, idleTimeoutMs: number, signal: AbortSignal) {
    this.#stream = stream;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
    const lost = (): MeshError =>
      new MeshError('PEER_LOST', `peer ${stream.peer} ended the stream before it had answered; ask another peer`);
    stream
      .read((frame) => this.#take(frame))
      .then(
        () => this.#fail(lost()),
        (error: unknown) => this.#fail(toMeshError(error, 'PEER_LOST')),
      )
      .catch(() => undefined);
    if (signal.aborted) this.#onAbort();
  }

  /** The bytes asked for; null when the peer does not hold them. @throws MeshError */
  ask(request: BlobRequest): Promise<Uint8Array | null> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | null>();
    this.#pending.push({ maxBytes: MAX_ANSWER_BYTES[request.kind], resolve, reject });
    this.#timer ??= setTimeout(() => this.#fail(this.#idle()), this.#idleTimeoutMs);
    if (this.#signal.aborted) this.#onAbort();
    else this.#stream.write(requestCodec.encode(request)).catch((error: unknown) => this.#fail(toMeshError(error)));
    return promise;
  }

  /** Ends the stream; resets it when answers are still to come. */
  async close(timeoutMs: number): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort);
    clearTimeout(this.#timer);
    if (this.#pending.length === 0) await this.#stream.close(timeoutMs);
    else this.#fail(new MeshError('CANCELLED', 'the answer is no longer wanted'));
  }

  #take(frame: Uint8ArrayList): void {
    const response = responseCodec.decode(frame.subarray());
    const head = this.#pending[0];
    if (head === undefined) throw fields.invalid('a peer answered what nobody asked');
    this.#timer?.refresh();
    if (response.kind === 'part') {
      const answer = this.#append(response, head.maxBytes);
      if (answer.received < answer.bytes.byteLength) return;
      head.resolve(answer.bytes);
    } else if (response.kind === 'absent') head.resolve(null);
    else head.reject(new MeshError(response.code, response.message, { details: { peer: this.#stream.peer } }));
    this.#answer = undefined;
    this.#pending.shift();
    if (this.#pending.length > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #append({ totalBytes, offset, bytes }: BlobPart, maxBytes: number): Unfinished {
    if (totalBytes > maxBytes) throw fields.invalid(`an answer has ${totalBytes} bytes, more than ${maxBytes}`);
    const isWhole = offset === 0 && bytes.byteLength === totalBytes;
    if (isWhole && this.#answer === undefined) return { bytes, received: totalBytes };
    const answer = (this.#answer ??= { bytes: new Uint8Array(totalBytes), received: 0 });
    const isNext =
      offset === answer.received && totalBytes === answer.bytes.byteLength && offset + bytes.byteLength <= totalBytes;
    if (!isNext || bytes.byteLength === 0) throw fields.invalid(`a part at offset ${offset} does not fit its answer`);
    answer.bytes.set(bytes, offset);
    answer.received += bytes.byteLength;
    return answer;
  }

  #fail(error: MeshError): void {
    clearTimeout(this.#timer);
    for (const { reject } of this.#pending.splice(0)) reject(error);
    this.#stream.abort(error);
  }

  #idle(): MeshError {
    return new MeshError(
      'DEADLINE_EXCEEDED',
      `peer ${this.#stream.peer} sent nothing for ${this.#idleTimeoutMs} ms; ask another peer`,
    );
  }
}
