/** Inputs of any shape, broadcast over each other where there are two. */
import { seed, shape, positive, type Cases } from './drawing.ts';
import { float, numbers, randomTensor } from '../programs.ts';
import { fromFloat32, type Tensor } from '../../../../src/core/tensor/tensor.ts';
import type { Attribute } from '../../../../src/core/graph/graph.ts';
import fc, { type Arbitrary } from 'fast-check';

/** One input of any shape, its elements times `scale`. */
export const unary = (attributes: Arbitrary<Readonly<Record<string, Attribute>>> = fc.constant({}), scale = 4): Cases =>
  fc.record({ shape, seed, attributes }).map((drawn) => ({
    inputs: [
      fromFloat32(
        drawn.shape,
        numbers(
          drawn.shape.reduce((a, b) => a * b),
          drawn.seed,
        ).map((value) => value * scale),
      ),
    ],
    attributes: drawn.attributes,
  }));

export const unaryPositive: Cases = fc.record({ shape, seed }).map((drawn) => ({
  inputs: [positive(randomTensor(drawn.shape, drawn.seed))],
}));

/** Two inputs, one of them broadcast along some axes. */
export const binary = (prepare: (tensor: Tensor) => Tensor = (tensor) => tensor): Cases =>
  fc
    .record({
      shape,
      seed,
      flat: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      drop: fc.nat(3),
      swap: fc.boolean(),
    })
    .map((drawn) => {
      const other = drawn.shape.map((size, axis) => (drawn.flat[axis] === true ? 1 : size)).slice(drawn.drop);
      const both = [randomTensor(drawn.shape, drawn.seed), randomTensor(other, drawn.seed + 1)].map(prepare);
      return { inputs: drawn.swap ? both.reverse() : both };
    });

export const alpha = fc.constantFrom(0.1, 0.3).map((value) => ({ alpha: float(value) }));
