/** ONNX Runtime on a whole network, without any kernel or mesh. */
import { Tensor as SessionTensor, type InferenceSession } from 'onnxruntime-node';
import { fromSessionTensor, toSessionTensor } from '../../kernels/lanes/session-tensors.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';

/** @returns copies, which outlive the session. */
export async function runSession(
  session: InferenceSession,
  inputs: ReadonlyMap<string, Tensor>,
): Promise<Map<string, Tensor>> {
  const feeds = [...inputs].map(([name, value]) => [name, toSessionTensor(SessionTensor, name, value)] as const);
  const results = await session.run(Object.fromEntries(feeds));
  const outputs = Object.entries(results).map(([name, result]) => {
    const value = fromSessionTensor(name, result);
    return [name, { ...value, bytes: value.bytes.slice() }] as const;
  });
  return new Map(outputs);
}
