import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fillNormal, permutation, uniformIntegers } from '../../../../models/zoo/random.ts';
import { crossEntropyGradient, exponential } from '../../../../models/zoo/training/classifier.ts';
import { adam } from '../../../../models/zoo/training/adam.ts';
import { convolution, maxPool } from '../../../../models/zoo/training/convolution.ts';
import { convolution1d, globalMaxPool } from '../../../../models/zoo/training/convolution-1d.ts';
import { embedding } from '../../../../models/zoo/training/embedding.ts';
import { dense, parameter, rectifier, residual, sequence, type Layer } from '../../../../models/zoo/training/layer.ts';

const normal = (count: number, seed: number): Float32Array => {
  const values = new Float32Array(count);
  fillNormal(values, seed, 0, 1);
  return values;
};

/** loss = sum of output * slopes: its slope by every parameter and input is what `backward` must give. */
function assertGradients(layer: Layer, inputs: number, seed: number): void {
  const input = normal(inputs, seed);
  for (const [index, { values }] of layer.parameters.entries()) fillNormal(values, seed + index + 1, 0, 0.5);
  const slopes = normal(layer.forward(input).length, seed + 100);
  const loss = (): number => layer.forward(input).reduce((sum, value, index) => sum + value * slopes[index]!, 0);
  layer.forward(input);
  const byInput = Float32Array.from(layer.backward(slopes));
  const gradients = [
    { values: input, gradient: byInput },
    ...layer.parameters.map(({ values, gradient }) => ({ values, gradient })),
  ];
  const step = 2 ** -8;
  for (const { values, gradient } of gradients) {
    for (let index = 0; index < values.length; index += 1 + Math.floor(values.length / 40)) {
      const value = values[index]!;
      values[index] = value + step;
      const above = loss();
      values[index] = value - step;
      const slope = (above - loss()) / (2 * step);
      values[index] = value;
      assert.ok(Math.abs(slope - gradient[index]!) < 2e-3 * (1 + Math.abs(slope)), `${slope} and ${gradient[index]!}`);
    }
  }
}

describe('trainer', () => {
  it('has the gradients that differences show, for every linear layer', () => {
    const shape = { inputChannels: 2, outputChannels: 3, kernel: 3, isInputGradientNeeded: true };
    assertGradients(dense(7, 5), 7, 1);
    assertGradients(convolution({ ...shape, size: 6, padding: 0 }), 2 * 6 * 6, 2);
    assertGradients(convolution({ ...shape, size: 5, padding: 1 }), 2 * 5 * 5, 3);
    assertGradients(sequence([dense(6, 4), dense(4, 3)]), 6, 4);
    const series = { inputChannels: 2, outputChannels: 2, length: 9, kernel: 3 };
    assertGradients(convolution1d({ ...series, dilation: 1, padding: 'centred' }), 2 * 9, 5);
    assertGradients(convolution1d({ ...series, dilation: 2, padding: 'causal' }), 2 * 9, 6);
    assertGradients(residual(convolution1d({ ...series, dilation: 1, padding: 'causal' })), 2 * 9, 7);
  });

  it('convolves a series by hand: zeros around it, or all of them before it', () => {
    const shape = { inputChannels: 1, outputChannels: 1, length: 5, kernel: 3 };
    const table = [
      { padding: 'centred', dilation: 1, expected: [210, 321, 432, 543, 54] },
      { padding: 'causal', dilation: 1, expected: [100, 210, 321, 432, 543] },
      { padding: 'causal', dilation: 2, expected: [100, 200, 310, 420, 531] },
    ] as const;
    for (const { expected, ...padded } of table) {
      const layer = convolution1d({ ...shape, ...padded });
      layer.parameters[0]!.values.set([1, 10, 100]);
      assert.deepEqual([...layer.forward(Float32Array.of(1, 2, 3, 4, 5))], expected);
    }
  });

  it('looks up the vectors of symbols, and learns those that came, but not the padding', () => {
    const layer = embedding(3, 2, 4);
    layer.parameters[0]!.values.set([0, 0, 1, 2, 3, 4]);
    assert.deepEqual([...layer.forward(Float32Array.of(1, 2, 0, 1))], [1, 3, 0, 1, 2, 4, 0, 2]);
    layer.backward(Float32Array.of(1, 1, 1, 1, 5, 5, 5, 5));
    assert.deepEqual([...layer.parameters[0]!.gradient], [0, 0, 2, 10, 1, 5]);
  });

  it('passes the gradient of a maximum over all of a channel to where it was', () => {
    const pool = globalMaxPool(2, 3);
    assert.deepEqual([...pool.forward(Float32Array.of(1, 3, 2, -1, -2, -3))], [3, -1]);
    assert.deepEqual([...pool.backward(Float32Array.of(7, 8))], [0, 7, 0, 8, 0, 0]);
  });

  it('steps by the learning rate along a steady gradient, whatever its size (Adam), and leaves gradients zero', () => {
    const learned = parameter(3);
    const step = adam([learned]);
    for (let count = 0; count < 10; count++) {
      learned.gradient.set([1e-3, -1e3, 0]);
      step({ learningRate: 0.1, momentum: 0.9, weightDecay: 0, batch: 4 });
    }
    for (const [index, expected] of [-1, 1, 0].entries()) {
      assert.ok(Math.abs(learned.values[index]! - expected) < 1e-3, `${learned.values[index]!}`);
    }
    assert.deepEqual([...learned.gradient], [0, 0, 0]);
  });

  it('passes the gradient to the winner of each pooled square, and to what the rectifier let through', () => {
    const pool = maxPool(1, 4);
    assert.deepEqual([...pool.forward(Float32Array.of(1, 2, 5, 0, 3, 4, 0, 0, 0, 0, 9, 8, 0, 7, 6, 5))], [4, 5, 7, 9]);
    assert.deepEqual([...pool.backward(Float32Array.of(1, 2, 3, 4))], [0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 4, 0, 0, 3, 0, 0]);
    const relu = rectifier(3);
    assert.deepEqual([...relu.forward(Float32Array.of(-1, 0, 2))], [0, 0, 2]);
    assert.deepEqual([...relu.backward(Float32Array.of(5, 6, 7))], [0, 0, 7]);
  });

  it("has an exponential of its own that agrees with the engine's", () => {
    fc.assert(
      fc.property(fc.double({ min: -745, max: 0, noNaN: true }), (x) => {
        const expected = x < -700 ? 0 : Math.exp(x);
        assert.ok(Math.abs(exponential(x) - expected) <= 1e-13 * expected);
      }),
    );
  });

  it('descends from the softmax of the logits to the label', () => {
    const gradient = new Float32Array(3);
    assert.equal(crossEntropyGradient(Float32Array.of(0, Math.log(2), 0), 1, gradient), true);
    assert.deepEqual(
      [...gradient].map((value) => Math.fround(value * 4) / 4),
      [0.25, -0.5, 0.25],
    );
    assert.equal(crossEntropyGradient(Float32Array.of(0, 1, 0), 2, gradient), false);
  });
});

describe('numbers that look random', () => {
  it('have the bits written here on every machine', () => {
    const values = normal(4, 1);
    assert.deepEqual([...new Uint32Array(values.buffer)], [3_217_569_054, 1_070_727_234, 1_069_958_148, 1_046_840_855]);
  });

  it('have mean zero, the deviation asked for, and no ties between streams', () => {
    const values = new Float32Array(100_000);
    fillNormal(values, 7, 0, 2);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    assert.ok(Math.abs(mean) < 0.03 && Math.abs(deviation - 2) < 0.02, `mean ${mean}, deviation ${deviation}`);
    assert.notDeepEqual(normal(10, 7), normal(10, 8));
  });

  it('are the same in one piece or in many', () => {
    const whole = normal(1_000, 3);
    fc.assert(
      fc.property(fc.nat(999), fc.nat(100), (first, count) => {
        const piece = new Float32Array(Math.min(count, 1_000 - first));
        fillNormal(piece, 3, first, 1);
        assert.deepEqual(piece, whole.slice(first, first + piece.length));
      }),
    );
  });

  it('shuffle without losing anything', () => {
    const order = permutation(1_000, uniformIntegers(1));
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      Array.from({ length: 1_000 }, (_, index) => index),
    );
    assert.notDeepEqual([...order.subarray(0, 5)], [0, 1, 2, 3, 4]);
  });
});
