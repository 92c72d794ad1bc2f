/** The thread of a lane whose runtime takes every program and traps when it runs one. */
import { Tensor, type InferenceSession } from 'onnxruntime-web';
import { serveLane } from '../../../kernels/lanes/thread.ts';

class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}

const session = {
  run: () => Promise.reject(new RuntimeError('unreachable')),
  release: () => Promise.resolve(),
} satisfies Pick<InferenceSession, 'run' | 'release'>;

serveLane({ Tensor, open: () => Promise.resolve(session as unknown as InferenceSession) });
