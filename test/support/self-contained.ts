/** Networks for meshes without a model store. */
import { readFile } from 'node:fs/promises';
import { decodeModel } from '../../models/onnx/decode.ts';
import type { Graph } from '../../src/core/graph/graph.ts';

/** The graph of an ONNX file with all weights inside, so that no weight file is needed. */
export async function selfContained(path: string): Promise<Graph> {
  const decoded = decodeModel(new Uint8Array(await readFile(path)));
  const { graph } = decoded;
  const constants = new Map(graph.constants);
  for (const [name, { type, shape }] of graph.weights) {
    constants.set(name, { type, shape, bytes: decoded.weightBytes(name) as Uint8Array });
  }
  return { ...graph, constants, weights: new Map() };
}
