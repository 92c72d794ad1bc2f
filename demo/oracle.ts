/** ONNX Runtime on the whole model, without a mesh: what every answer is compared with. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor as SessionTensor } from 'onnxruntime-node';
import { MAX_PREPACKED_WEIGHT_BYTES } from '../kernels/onnxruntime/session-definition.ts';
import { decodeManifest } from '../models/manifest.ts';
import { decodeModel } from '../models/onnx/decode.ts';
import type { Payload } from '../models/tasks/payload.ts';
import { preprocess } from '../models/tasks/process.ts';
import { byteLength, float32Values, fromFloat32, type Tensor } from '../src/core/tensor/tensor.ts';
import type { Graph } from '../src/core/graph/graph.ts';
import type { Board } from './boards.ts';

export interface Comparison {
  /** Largest absolute difference of any element of any output. */
  readonly maxAbs: number;
  /** The same, relative to the largest value. */
  readonly maxRel: number;
  /** How far ONNX Runtime is from itself with its optimisations off, relative to the largest value. */
  readonly spread: number;
  /** Time of the whole model on one thread. */
  readonly elapsedMs: number;
}

/**
 * Runs the model that a board holds in full on the same input.
 * @param outputs what the mesh answered.
 */
export async function compareWithWhole(
  holder: Board,
  modelId: string,
  payload: Payload,
  outputs: ReadonlyMap<string, Tensor>,
): Promise<Comparison> {
  const folder = join(holder.dataFolder, 'models', modelId);
  const manifest = decodeManifest(new Uint8Array(await readFile(join(folder, 'manifest.json'))));
  const { graph } = decodeModel(new Uint8Array(await readFile(join(folder, 'graph.onnx'))));
  const { inputs } = await preprocess(manifest.task, payload, graph.inputs);
  const options = {
    intraOpNumThreads: 1,
    // As the kernel does: packing the matrix of a large fully connected layer rounds its sums in another order.
    ...(hasLargeWeight(graph) ? { extra: { session: { disable_prepacking: '1' } } } : {}),
  };
  const feeds = Object.fromEntries(
    [...inputs].map(([name, value]) => [name, new SessionTensor('float32', float32Values(value), [...value.shape])]),
  );
  const run = async (graphOptimizationLevel: 'all' | 'disabled'): Promise<WholeRun> => {
    const session = await InferenceSession.create(join(folder, 'graph.onnx'), { ...options, graphOptimizationLevel });
    const startedMs = performance.now();
    const results = await session.run(feeds);
    const elapsedMs = performance.now() - startedMs;
    await session.release();
    return { results, elapsedMs };
  };
  const { results, elapsedMs } = await run('all');
  const difference = largestDifference(results, outputs);
  const isExact = difference.maxAbs === 0;
  const spread = isExact ? 0 : largestDifference((await run('disabled')).results, asTensors(results)).maxRel;
  return { ...difference, spread, elapsedMs };
}

interface WholeRun {
  readonly results: InferenceSession.OnnxValueMapType;
  readonly elapsedMs: number;
}

const asTensors = (results: InferenceSession.OnnxValueMapType): Map<string, Tensor> =>
  new Map(Object.entries(results).map(([name, { dims, data }]) => [name, fromFloat32(dims, data as Float32Array)]));

const hasLargeWeight = (graph: Graph): boolean =>
  [...graph.weights.values()].some(({ type, shape }) => byteLength(type, shape) >= MAX_PREPACKED_WEIGHT_BYTES);

function largestDifference(
  whole: InferenceSession.OnnxValueMapType,
  outputs: ReadonlyMap<string, Tensor>,
): { readonly maxAbs: number; readonly maxRel: number } {
  let maxAbs = 0;
  let largest = 0;
  for (const [name, output] of outputs) {
    const expected = whole[name]!.data as Float32Array;
    const actual = float32Values(output);
    if (expected.length !== actual.length) return { maxAbs: Infinity, maxRel: Infinity };
    for (const [index, value] of expected.entries()) {
      const difference = Math.abs(value - actual[index]!);
      if (!(difference <= maxAbs)) maxAbs = difference;
      largest = Math.max(largest, Math.abs(value));
    }
  }
  return { maxAbs, maxRel: largest === 0 ? maxAbs : maxAbs / largest };
}
