/** ONNX Runtime on a whole model, without a mesh: what every answer is compared with. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor as SessionTensor } from 'onnxruntime-node';
import { MAX_PREPACKED_WEIGHT_BYTES } from '../kernels/lanes/session-definition.ts';
import { decodeModel } from '../models/onnx/decode.ts';
import type { Graph } from '../src/core/graph/graph.ts';
import { byteLength, float32Values, fromFloat32, type Tensor } from '../src/core/tensor/tensor.ts';

export interface WholeModel {
  readonly graph: Graph;
  /** @param isOptimised whether the runtime may rewrite the graph, as it does by default. */
  run(
    inputs: ReadonlyMap<string, Tensor>,
    isOptimised?: boolean,
  ): Promise<{ readonly outputs: ReadonlyMap<string, Tensor>; readonly elapsedMs: number }>;
}

const hasLargeWeight = (graph: Graph): boolean =>
  [...graph.weights.values()].some(({ type, shape }) => byteLength(type, shape) >= MAX_PREPACKED_WEIGHT_BYTES);

/** @param folder of a model in a peer's data folder: `graph.onnx` and `weights.bin`, complete. */
export async function openWholeModel(folder: string): Promise<WholeModel> {
  const path = join(folder, 'graph.onnx');
  const { graph } = decodeModel(new Uint8Array(await readFile(path)));
  const options: InferenceSession.SessionOptions = {
    intraOpNumThreads: 1,
    // As the kernel does: packing the matrix of a large fully connected layer rounds its sums in another order.
    ...(hasLargeWeight(graph) ? { extra: { session: { disable_prepacking: '1' } } } : {}),
  };
  return {
    graph,
    async run(inputs, isOptimised = true) {
      const graphOptimizationLevel = isOptimised ? 'all' : 'disabled';
      const session = await InferenceSession.create(path, { ...options, graphOptimizationLevel });
      const feeds = [...inputs].map(
        ([name, value]) => [name, new SessionTensor('float32', float32Values(value), [...value.shape])] as const,
      );
      const startedMs = performance.now();
      const results = await session.run(Object.fromEntries(feeds));
      const elapsedMs = performance.now() - startedMs;
      await session.release();
      const outputs = Object.entries(results).map(
        ([name, { dims, data }]) => [name, fromFloat32(dims, data as Float32Array)] as const,
      );
      return { outputs: new Map(outputs), elapsedMs };
    },
  };
}

export interface Difference {
  /** Largest absolute difference of any element of any output. */
  readonly maxAbs: number;
  /** The same, relative to the largest value. */
  readonly maxRel: number;
}

/** How far two sets of outputs are apart; infinitely when they do not match in name and size. */
export function differenceOf(expected: ReadonlyMap<string, Tensor>, actual: ReadonlyMap<string, Tensor>): Difference {
  let maxAbs = expected.size === actual.size ? 0 : Infinity;
  let largest = 0;
  for (const [name, output] of expected) {
    const wanted = float32Values(output);
    const other = actual.get(name);
    const given = other === undefined ? new Float32Array() : float32Values(other);
    if (wanted.length !== given.length) return { maxAbs: Infinity, maxRel: Infinity };
    for (const [index, value] of wanted.entries()) {
      const difference = Math.abs(value - given[index]!);
      // Not a number is as far away as can be.
      if (!(difference <= maxAbs)) maxAbs = Number.isNaN(difference) ? Infinity : difference;
      largest = Math.max(largest, Math.abs(value));
    }
  }
  return { maxAbs, maxRel: largest === 0 ? maxAbs : maxAbs / largest };
}
