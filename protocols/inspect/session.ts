/** The asking end of one stream: one question at a time, each with its answer. */
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { FrameStream } from '../framing.ts';
import { waitFor } from '../wait.ts';
import { answerCodec, questionCodec, type Answer, type Question } from './messages.ts';

type Outcome = { readonly answer: Answer } | { readonly error: MeshError };

export class Session {
  readonly #stream: FrameStream;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  #settle: ((outcome: Outcome) => void) | undefined;
  #ended: MeshError | undefined;

  constructor(stream: FrameStream, timeoutMs: number, signal: AbortSignal) {
    this.#stream = stream;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    stream
      .read((frame) => this.#settle?.({ answer: answerCodec.decode(frame.subarray()) }))
      .then(
        () => this.#end(new MeshError('PEER_LOST', `peer ${stream.peer} ended the stream before it had answered`)),
        (error: unknown) => this.#end(toMeshError(error, 'PEER_LOST')),
      );
  }

  /**
   * The JSON asked for; null when the peer does not have it.
   * @throws MeshError PEER_LOST, DEADLINE_EXCEEDED, CANCELLED, INVALID_MESSAGE, or what the peer answered.
   */
  async document(question: Exclude<Question, { readonly kind: 'clock' }>): Promise<Uint8Array | null> {
    const answer = await this.#ask(question);
    if (answer.kind === 'absent') return null;
    if (answer.kind === 'document') return answer.bytes;
    throw this.#misfit(answer);
  }

  /** What the peer's clock shows, milliseconds. @throws MeshError as `document`. */
  async clock(): Promise<number> {
    const answer = await this.#ask({ kind: 'clock' });
    if (answer.kind === 'clock') return answer.clockMs;
    throw this.#misfit(answer);
  }

  close(timeoutMs: number): Promise<void> {
    return this.#stream.close(timeoutMs);
  }

  async #ask(question: Question): Promise<Answer> {
    if (this.#ended !== undefined) throw this.#ended;
    const answered = waitFor<Answer>(
      (resolve, reject) => {
        this.#settle = (outcome) => ('answer' in outcome ? resolve(outcome.answer) : reject(outcome.error));
        this.#stream.write(questionCodec.encode(question)).catch((error: unknown) => reject(toMeshError(error)));
        return () => (this.#settle = undefined);
      },
      {
        timeoutMs: this.#timeoutMs,
        signal: this.#signal,
        onTimeout: () =>
          new MeshError('DEADLINE_EXCEEDED', `peer ${this.#stream.peer} did not answer within ${this.#timeoutMs} ms`),
      },
    );
    try {
      return await answered;
    } catch (error) {
      // An answer that comes too late must not be taken for that to the next question.
      this.#end(toMeshError(error));
      this.#stream.abort(toMeshError(error));
      throw error;
    }
  }

  #end(error: MeshError): void {
    this.#ended ??= error;
    this.#settle?.({ error });
  }

  #misfit(answer: Answer): MeshError {
    if (answer.kind === 'refused') return new MeshError(answer.code, answer.message);
    return new MeshError('INVALID_MESSAGE', `peer ${this.#stream.peer} answered something else than was asked`);
  }
}
