/** Keeps the tensors that gRPC requests hold in memory, over all calls, under a total. */
import { MeshError } from '../../core/errors.ts';
import type { ModelInferRequest } from '../../../protocols/inference/inference_pb.js';

const sizeOf = ({ inputs, rawInputContents }: ModelInferRequest): number => {
  const typed = inputs.flatMap(({ contents }) => contents?.bytesContents ?? []);
  return [...rawInputContents, ...typed].reduce((sum, { byteLength }) => sum + byteLength, 0);
};

export class TensorBudget {
  readonly #totalBytes: number;
  #held = 0;
  #calls = 0;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /** Requests in hand. */
  get calls(): number {
    return this.#calls;
  }

  /** @throws MeshError OVERLOADED; `work` has not begun then. */
  async hold<Result>(request: ModelInferRequest, work: () => Promise<Result>): Promise<Result> {
    const size = sizeOf(request);
    if (this.#held + size > this.#totalBytes) {
      throw new MeshError('OVERLOADED', 'too many large requests at once: try again in a moment, or at another peer');
    }
    this.#held += size;
    this.#calls++;
    try {
      return await work();
    } finally {
      this.#held -= size;
      this.#calls--;
    }
  }
}
