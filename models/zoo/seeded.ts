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
/** Of scales and variances: far from zero, all different. */
const SCALE_DEVIATION = 0.05;

/** What the values of a weight are drawn from. */
export interface Distribution {
  readonly mean: number;
  readonly deviation: number;
}

export type Initial = (name: string, shape: Shape) => Distribution;

/**
 * Weights of convolutions are [outputs, inputs per group, ...kernel], of dense layers [outputs, inputs]; of one axis are
 * biases, and means of a batch normalisation; its scales and variances are about one.
 */
export const heNormal: Initial = (name, shape) => {
  if (shape.length > 1) return { mean: 0, deviation: Math.sqrt(2 / elementCount(shape.slice(1))) };
  const isScale = name.endsWith('.scale') || name.endsWith('.variance');
  return isScale ? { mean: 1, deviation: SCALE_DEVIATION } : { mean: 0, deviation: BIAS_DEVIATION };
};

/** The graph with generated weights. The event loop runs between any two pieces. */
export function seededPackage(graph: Graph, seed: number, initial: Initial = heNormal): ModelPackage {
  const seeds = new Map([...graph.weights.keys()].map((name, index) => [name, seed + index]));
  return {
    graph,
    isSplit: false,
    weightPieces: (name) => {
      const weight = graph.weights.get(name);
      const weightSeed = seeds.get(name);
      if (weight === undefined || weightSeed === undefined) throw new RangeError(`${graph.name} has no weight ${name}`);
      return generate(elementCount(weight.shape), weightSeed, initial(name, weight.shape));
    },
  };
}

async function* generate(count: number, seed: number, { mean, deviation }: Distribution): AsyncGenerator<Uint8Array> {
  for (let first = 0; first < count; first += PIECE_VALUES) {
    const values = new Float32Array(Math.min(PIECE_VALUES, count - first));
    fillNormal(values, seed, first, deviation);
    if (mean !== 0) for (let index = 0; index < values.length; index++) values[index]! += mean;
    yield new Uint8Array(values.buffer);
    await setImmediate();
  }
}
