/** Trained parameters as the weights of a graph. */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { elementCount } from '../../../src/core/tensor/tensor.ts';

/** The bytes of each of the graph's weights, of which the trained network has one parameter each, in the same order. */
export function namedParameters(graph: Graph, values: readonly Float32Array[]): (name: string) => Uint8Array {
  const names = [...graph.weights.keys()];
  return (name) => {
    const parameter = values[names.indexOf(name)];
    const weight = graph.weights.get(name);
    if (parameter === undefined || weight === undefined || parameter.length !== elementCount(weight.shape)) {
      throw new RangeError(`no trained parameter fits ${name}`);
    }
    return new Uint8Array(parameter.buffer, parameter.byteOffset, parameter.byteLength);
  };
}
