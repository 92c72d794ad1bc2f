import assert from 'node:assert/strict';
import fc from 'fast-check';
import { sourceField } from '../../../../src/core/ops/conv-transpose.ts';
import { interval } from '../../../../src/core/geometry/interval.ts';
import {
  outputExtent,
  reaching,
  receptiveField,
  windowExtent,
  windowsOf,
  type Window,
} from '../../../../src/core/ops/window.ts';
import { factsOf, int, ints, text } from './facts.ts';

const window = (kernel: number, stride = 1, dilation = 1, before = 0, after = before): Window => ({
  kernel,
  stride,
  dilation,
  before,
  after,
});

describe('window', () => {
  it('reaches over its dilated kernel', () => {
    assert.equal(windowExtent(window(3)), 3);
    assert.equal(windowExtent(window(3, 1, 2)), 5);
    assert.equal(windowExtent(window(1, 1, 9)), 1);
  });

  it('makes as many outputs as fit, and one more where rounding up leaves one that begins in the map', () => {
    const table: [own: Window, input: number, floor: number, ceil: number][] = [
      [window(3, 1, 1, 1), 8, 8, 8],
      [window(2, 2), 7, 3, 4],
      [window(3, 2, 1, 1), 8, 4, 5],
      [window(3, 2, 1, 0, 1), 4, 2, 2],
      [window(2, 3, 1, 0, 1), 3, 1, 1],
      [window(5), 4, 0, 0],
    ];
    for (const [own, input, floor, ceil] of table) {
      assert.equal(outputExtent(own, input), floor);
      assert.equal(outputExtent(own, input, true), ceil);
    }
  });

  it('reads what lies under it, and counts what it has of the padding', () => {
    const table: [own: Window, output: [number, number], extent: number, field: [number, number, number, number]][] = [
      [window(3, 1, 1, 1), [0, 8], 8, [0, 8, 1, 1]],
      [window(3, 1, 1, 1), [0, 4], 8, [0, 5, 1, 0]],
      [window(3, 1, 1, 1), [4, 8], 8, [3, 8, 0, 1]],
      [window(3, 2, 1, 1), [1, 3], 8, [1, 6, 0, 0]],
      [window(3, 1, 2, 2), [0, 1], 8, [0, 3, 2, 0]],
      [window(11, 4, 1, 2), [0, 55], 224, [0, 224, 2, 1]],
    ];
    for (const [own, [start, end], extent, [from, to, before, after]] of table) {
      assert.deepEqual(receptiveField(own, interval(start, end), extent), { input: interval(from, to), before, after });
    }
  });

  it('is joined by its neighbours until one of them reaches into the map', () => {
    // A kernel of one on padding of two: outputs 0 and 1 and the last two read nothing else.
    assert.deepEqual(reaching(window(1, 1, 1, 2), interval(0, 1), 4, 8), interval(0, 3));
    assert.deepEqual(reaching(window(1, 1, 1, 2), interval(7, 8), 4, 8), interval(5, 8));
    assert.deepEqual(reaching(window(1, 1, 1, 2), interval(3, 4), 4, 8), interval(3, 4));
    // Stride three jumps over the only element.
    assert.deepEqual(reaching(window(1, 3, 1, 1), interval(0, 1), 1, 1), interval(0, 1));
  });

  it('reads for any interval just what its outputs read, one by one', () => {
    const windows = fc.record({
      kernel: fc.integer({ min: 1, max: 4 }),
      stride: fc.integer({ min: 1, max: 4 }),
      dilation: fc.integer({ min: 1, max: 3 }),
      before: fc.nat(4),
      after: fc.nat(4),
    });
    fc.assert(
      fc.property(windows, fc.integer({ min: 1, max: 20 }), fc.nat(), fc.nat(), (own, extent, a, b) => {
        const count = outputExtent(own, extent);
        fc.pre(count > 0);
        const [first, second] = [a % count, b % count];
        const wanted = interval(Math.min(first, second), Math.max(first, second) + 1);
        const output = reaching(own, wanted, extent, count);
        const field = receptiveField(own, output, extent);
        assert.ok(output.start <= wanted.start && output.end >= wanted.end);
        assert.ok(field.before >= 0 && field.after >= 0 && field.input.start < field.input.end);
        for (let index = wanted.start; index < wanted.end; index++) {
          for (let tap = 0; tap < own.kernel; tap++) {
            const place = index * own.stride - own.before + tap * own.dilation;
            if (place >= 0 && place < extent) assert.ok(place >= field.input.start && place < field.input.end);
          }
        }
        const made = outputExtent(
          { ...own, before: field.before, after: field.after },
          field.input.end - field.input.start,
        );
        assert.equal(made, output.end - output.start);
      }),
    );
  });
});

describe('windows of a node', () => {
  const spatial = (attributes: Parameters<typeof factsOf>[2]): Window[] =>
    windowsOf(factsOf('Conv', [[1, 1, 7, 8]], attributes), [3, 2], [7, 8]);

  it('take their defaults from ONNX', () => {
    assert.deepEqual(spatial({}), [window(3), window(2)]);
  });

  it('take all begins of the padding before all ends', () => {
    assert.deepEqual(spatial({ pads: ints(1, 2, 3, 4), strides: ints(2, 1), dilations: ints(1, 3) }), [
      window(3, 2, 1, 1, 3),
      window(2, 1, 3, 2, 4),
    ]);
  });

  it('put the odd element of automatic padding at the end, or at the beginning', () => {
    assert.deepEqual(spatial({ auto_pad: text('SAME_UPPER') }), [window(3, 1, 1, 1, 1), window(2, 1, 1, 0, 1)]);
    assert.deepEqual(spatial({ auto_pad: text('SAME_LOWER') }), [window(3, 1, 1, 1, 1), window(2, 1, 1, 1, 0)]);
    assert.deepEqual(spatial({ auto_pad: text('VALID'), group: int(1) }), [window(3), window(2)]);
  });
});

describe('inputs of a transposed convolution', () => {
  it('are those whose windows reach the outputs', () => {
    const table: [own: Window, output: [number, number], extent: number, field: [number, number, number, number]][] = [
      [window(2, 2), [0, 4], 4, [0, 2, 0, 0]],
      [window(2, 2), [1, 3], 4, [0, 2, 1, 1]],
      [window(3, 2, 1, 1), [0, 7], 4, [0, 4, 1, 1]],
      [window(3, 2, 1, 1), [3, 4], 4, [1, 3, 2, 2]],
    ];
    for (const [own, [start, end], extent, [from, to, before, after]] of table) {
      assert.deepEqual(sourceField(own, interval(start, end), extent), { input: interval(from, to), before, after });
    }
  });
});
