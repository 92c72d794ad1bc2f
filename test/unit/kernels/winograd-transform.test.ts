/** The matrices of minimal filtering, in whole numbers so that equal means equal. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import {
  TRANSFORM,
  transformFor,
  alongBoth,
  BIAS_FREQUENCY,
  type Matrix,
} from '../../../kernels/winograd/transform.ts';
import { transformWeights } from '../../../kernels/winograd/weights.ts';
import { float32Values, fromFloat32 } from '../../../src/core/tensor/tensor.ts';
import { randomOf } from '../../property/random.ts';

/** Numerators over a denominator that all entries have in common. */
interface Rational {
  readonly over: bigint;
  readonly rows: readonly (readonly bigint[])[];
}

/** Entries are quotients of small numbers: the least denominator that makes whole numbers of all, up to rounding of doubles. */
function rational(matrix: Matrix): Rational {
  for (let over = 1; over <= 100_000; over++) {
    const scaled = matrix.map((row) => row.map((entry) => entry * over));
    if (scaled.flat().every((entry) => Math.abs(entry - Math.round(entry)) < 1e-9)) {
      return { over: BigInt(over), rows: scaled.map((row) => row.map((entry) => BigInt(Math.round(entry)))) };
    }
  }
  throw new Error('no common denominator');
}

const times = ({ rows }: Rational, values: readonly bigint[]): bigint[] =>
  rows.map((row) => row.reduce((sum, entry, index) => sum + entry * values[index]!, 0n));

describe('minimal filtering', () => {
  const seed = Number(process.env.TILEMESH_SEED ?? randomInt(2 ** 31));
  before(() => console.log(`      TILEMESH_SEED=${seed}`));

  for (const points of [
    [0, 1, -1],
    [0, 1, -1, 2, -2],
    [0, 1, -1, 0.5, -2],
    [0, 1, -1, 2, -2, 0.5, -0.5],
  ]) {
    it(`with points ${points.join(', ')} equals the correlation exactly, in rational numbers`, () => {
      const { frequencies, outputTile, ...matrices } = transformFor(points);
      const [input, weight, output] = [matrices.input, matrices.weight, matrices.output].map(rational) as [
        Rational,
        Rational,
        Rational,
      ];
      const over = input.over * weight.over * output.over;
      const random = randomOf(seed);
      const numbers = (count: number): bigint[] =>
        Array.from({ length: count }, () => BigInt(random.integer(-1_000, 1_000)));
      for (let round = 0; round < 50; round++) {
        const data = numbers(frequencies);
        const taps = numbers(3);
        const transformed = times(weight, taps);
        const products = times(input, data).map((value, index) => value * transformed[index]!);
        const expected = Array.from({ length: outputTile }, (_, at) =>
          taps.reduce((sum, tap, index) => sum + tap * data[at + index]!, 0n),
        );
        assert.deepEqual(
          times(output, products),
          expected.map((value) => value * over),
        );
      }
    });
  }

  it('adds what is added to the frequency of point 1 to every output', () => {
    assert.ok(TRANSFORM.output.every((row) => row[BIAS_FREQUENCY] === 1));
  });

  it('along both axes is the product of the matrices for each', () => {
    assert.deepEqual(
      alongBoth([
        [1, 2],
        [3, 4],
      ]),
      [
        [1, 2, 2, 4],
        [3, 4, 6, 8],
        [3, 6, 4, 8],
        [9, 12, 12, 16],
      ],
    );
  });

  it('transforms filters to one matrix per frequency, channels in by channels out', () => {
    const [channelsOut, channelsIn] = [3, 2];
    const random = randomOf(seed);
    const taps = Float32Array.from({ length: channelsOut * channelsIn * 9 }, () => random.integer(-8, 8));
    const matrices = transformWeights(fromFloat32([channelsOut, channelsIn, 3, 3], taps));
    const both = TRANSFORM.weight.flatMap((first) =>
      TRANSFORM.weight.map((second) => first.flatMap((a) => second.map((b) => a * b))),
    );
    assert.equal(matrices.length, both.length);
    for (const [frequency, row] of both.entries()) {
      const values = float32Values(matrices[frequency]!);
      for (let input = 0; input < channelsIn; input++) {
        for (let output = 0; output < channelsOut; output++) {
          const filter = taps.subarray((output * channelsIn + input) * 9, (output * channelsIn + input + 1) * 9);
          const expected = row.reduce((sum, factor, index) => sum + factor * filter[index]!, 0);
          assert.ok(Math.abs(values[input * channelsOut + output]! - expected) < 1e-4);
        }
      }
    }
  });

  it('refuses filters of another shape', () => {
    assert.throws(() => transformWeights(fromFloat32([1, 1, 5, 5], new Float32Array(25))), { code: 'INVALID_MODEL' });
  });
});
