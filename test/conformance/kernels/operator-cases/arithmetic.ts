/** Normalizations, matrix products and reductions. */
import { extent, featureMap, seed, positive, withAxes, type Cases } from './drawing.ts';
import { float, int, randomTensor } from '../programs.ts';
import type { Shape } from '../../../../src/core/tensor/tensor.ts';
import fc from 'fast-check';

export const batchNormalization: Cases = fc
  .record({ map: featureMap, epsilon: fc.constantFrom(1e-5, 1e-3) })
  .map(({ map, epsilon }) => {
    const channels = [map.shape[1]];
    return {
      inputs: [randomTensor(map.shape, map.seed)],
      constants: [1, 2, 3, 4].map((step) =>
        step === 4 ? positive(randomTensor(channels, map.seed + step)) : randomTensor(channels, map.seed + step),
      ),
      attributes: { epsilon: float(epsilon) },
    };
  });

export const localResponse: Cases = fc
  .record({
    map: featureMap,
    size: fc.constantFrom(1, 3, 5),
    alpha: fc.constantFrom(1e-4, 0.5),
    bias: fc.constantFrom(1, 2),
  })
  .map(({ map, size, alpha, bias }) => ({
    inputs: [randomTensor(map.shape, map.seed)],
    attributes: { size: int(size), alpha: float(alpha), beta: float(0.75), bias: float(bias) },
  }));

export const gemm: Cases = fc
  .record({
    m: extent(5),
    k: extent(9),
    n: extent(7),
    transA: fc.boolean(),
    transB: fc.boolean(),
    alpha: fc.constantFrom(1, 0.5),
    beta: fc.constantFrom(1, 2),
    c: fc.constantFrom('none', 'row', 'column', 'full'),
    seed,
  })
  .map(({ m, k, n, transA, transB, alpha, beta, c, seed: s }) => {
    const bias: Readonly<Record<typeof c, Shape | undefined>> = {
      none: undefined,
      row: [n],
      column: [m, 1],
      full: [m, n],
    };
    const biasShape = bias[c];
    return {
      inputs: [randomTensor(transA ? [k, m] : [m, k], s)],
      constants: [
        randomTensor(transB ? [n, k] : [k, n], s + 1),
        ...(biasShape === undefined ? [] : [randomTensor(biasShape, s + 2)]),
      ],
      attributes: { transA: int(transA ? 1 : 0), transB: int(transB ? 1 : 0), alpha: float(alpha), beta: float(beta) },
    };
  });

export const matMul: Cases = fc
  .record({
    m: extent(4),
    k: extent(6),
    n: extent(4),
    batch: fc.array(extent(3), { maxLength: 2 }),
    kind: fc.constantFrom('same', 'one', 'vector'),
    seed,
  })
  .map(({ m, k, n, batch, kind, seed: s }) => ({
    inputs: [
      randomTensor([...batch, m, k], s),
      randomTensor(kind === 'vector' ? [k] : kind === 'one' ? [k, n] : [...batch, k, n], s + 1),
    ],
  }));

export const softmax: Cases = fc
  .record({
    shape: fc.array(extent(5), { minLength: 2, maxLength: 4 }),
    seed,
    axis: fc.nat(3),
    opset: fc.constantFrom(9, 11, 13),
  })
  .map((drawn) => ({
    inputs: [randomTensor(drawn.shape, drawn.seed)],
    attributes: { axis: int(drawn.axis % drawn.shape.length) },
    opset: drawn.opset,
  }));

export const reduction = (firstWithInput: number): Cases =>
  fc
    .record({
      shape: fc.tuple(extent(3), extent(4), extent(4)),
      seed,
      axes: fc.constantFrom([0], [1, 2], [-1], [0, 2]),
      keep: fc.boolean(),
      opset: fc.constantFrom(11, 13, 18),
    })
    .map(({ shape: drawn, seed: s, axes, keep, opset }) => {
      const parts = withAxes(axes, opset, firstWithInput);
      return {
        ...parts,
        inputs: [randomTensor(drawn, s)],
        attributes: { ...parts.attributes, keepdims: int(keep ? 1 : 0) },
        opset,
      };
    });
