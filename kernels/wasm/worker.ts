/** The thread of a lane with ONNX Runtime in WebAssembly. */
import { env, InferenceSession, Tensor } from 'onnxruntime-web';
import { MeshError } from '../../src/core/errors.ts';
import { serveLane, sessionOptions } from '../lanes/thread.ts';
import { discard } from '../transfer.ts';

env.wasm.numThreads = 1;
env.wasm.proxy = false;

/** The runtime has no code for it. */
const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && /bad_alloc|failed to allocate/.test(error.message);

serveLane({
  Tensor,
  async open(definition, held) {
    try {
      return await InferenceSession.create(definition.model, {
        ...sessionOptions(definition, held),
        executionProviders: ['wasm'],
      });
    } catch (cause) {
      if (!isOutOfMemory(cause)) throw cause;
      const message = `no room for program ${definition.session} in the 4 GiB of WebAssembly: give the peer less to do`;
      throw new MeshError('KERNEL_FAILED', message, { cause });
    } finally {
      // The session has a copy of its own.
      discard(held);
    }
  },
});
