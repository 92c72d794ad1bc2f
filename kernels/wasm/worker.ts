/** The thread of a lane with ONNX Runtime in WebAssembly. */
import { env, InferenceSession, Tensor } from 'onnxruntime-web';
import { discard } from '../transfer.ts';
import { serveLane, sessionOptions } from '../lanes/thread.ts';

env.wasm.numThreads = 1;
env.wasm.proxy = false;
env.logLevel = 'fatal';

serveLane({
  Tensor,
  async open(definition, held) {
    try {
      return await InferenceSession.create(definition.model, {
        ...sessionOptions(definition, held),
        executionProviders: ['wasm'],
      });
    } finally {
      // The session has a copy of its own.
      discard(held);
    }
  },
});
