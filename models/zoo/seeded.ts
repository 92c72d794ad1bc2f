/**
 * Stand-in weights for architectures whose trained weights are not ours to ship: He-normal (K. He et al., "Delving deep
 * into rectifiers", ICCV 2015), so that activations keep their size through any depth, with small biases that are not
 * zero, so that a lost bias is noticed. The same seed gives the same bytes on every machine; the answers mean nothing.
 */
import { setImmediate } from 'node:timers/promises';
import type { Graph } from '../../src/core/graph/graph.ts';
import { elementCount, type Shape } from '../../src/core/tensor/tensor.ts';
import type { ModelPackage } from '../package.ts';
import { fillNormal } from './random.ts';

/** 256 Ki values are 1 MiB, and some milliseconds of work on a small board's core. */
const PIECE_VALUES = 262_144;
const BIAS_DEVIATION = 0.01;

/** The graph with generated weights. The event loop runs between any two pieces. */
export function seededPackage(graph: Graph, seed: number): ModelPackage {
  const seeds = new Map([...graph.weights.keys()].map((name, index) => [name, seed + index]));
  return {
    graph,
    weightPieces: (name) => {
      const weight = graph.weights.get(name);
      const weightSeed = seeds.get(name);
      if (weight === undefined || weightSeed === undefined) throw new RangeError(`${graph.name} has no weight ${name}`);
      return generate(elementCount(weight.shape), weightSeed, deviation(weight.shape));
    },
  };
}

/** Weights of convolutions are [outputs, inputs per group, height, width], of dense layers [outputs, inputs]. */
const deviation = (shape: Shape): number =>
  shape.length === 1 ? BIAS_DEVIATION : Math.sqrt(2 / elementCount(shape.slice(1)));

async function* generate(count: number, seed: number, deviationOfValues: number): AsyncGenerator<Uint8Array> {
  for (let first = 0; first < count; first += PIECE_VALUES) {
    const values = new Float32Array(Math.min(PIECE_VALUES, count - first));
    fillNormal(values, seed, first, deviationOfValues);
    yield new Uint8Array(values.buffer);
    await setImmediate();
  }
}
