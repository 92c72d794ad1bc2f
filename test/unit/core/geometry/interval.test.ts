import assert from 'node:assert/strict';
import fc from 'fast-check';
import * as axis from '../../../../src/core/geometry/interval.ts';

const { interval } = axis;

describe('interval', () => {
  it('knows its length, and that it is empty', () => {
    const table = [
      [0, 3, 3],
      [2, 2, 0],
      [5, 2, 0],
    ] as const;
    for (const [start, end, expected] of table) {
      assert.equal(axis.length(interval(start, end)), expected);
      assert.equal(axis.isEmpty(interval(start, end)), expected === 0);
    }
  });

  it('meets, joins and holds others', () => {
    assert.deepEqual(axis.intersect(interval(0, 5), interval(3, 9)), interval(3, 5));
    assert.ok(axis.isEmpty(axis.intersect(interval(0, 3), interval(3, 9))));
    assert.deepEqual(axis.hull(interval(0, 2), interval(7, 9)), interval(0, 9));
    assert.deepEqual(axis.hull(interval(4, 4), interval(7, 9)), interval(7, 9));
    assert.deepEqual(axis.hull(interval(7, 9), interval(4, 4)), interval(7, 9));
    assert.ok(axis.contains(interval(0, 5), interval(0, 5)));
    assert.ok(axis.contains(interval(0, 5), interval(9, 9)));
    assert.ok(!axis.contains(interval(0, 5), interval(4, 6)));
    assert.deepEqual(axis.shift(interval(1, 2), -3), interval(-2, -1));
  });

  it('is split in proportion, every boundary but the last a multiple of the unit', () => {
    const table: [extent: number, weights: number[], unit: number, ends: number[]][] = [
      [10, [1, 1], 1, [5, 10]],
      [10, [1, 1, 1], 1, [3, 7, 10]],
      [10, [3, 1], 1, [8, 10]],
      [10, [1, 1], 4, [4, 10]],
      [64, [1, 1, 1], 16, [16, 48, 64]],
      [2, [1, 1, 1, 1], 1, [1, 1, 2, 2]],
      [7, [5], 16, [7]],
    ];
    for (const [extent, weights, unit, ends] of table) {
      assert.deepEqual(
        axis.split(extent, weights, unit).map(({ end }) => end),
        ends,
      );
    }
  });

  it('is split into neighbours that cover it, whatever the weights', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), weights, fc.constantFrom(1, 4, 16), (extent, shares, unit) => {
        const parts = axis.split(extent, shares, unit);
        assert.equal(parts.length, shares.length);
        assert.equal(parts[0]!.start, 0);
        assert.equal(parts.at(-1)!.end, extent);
        for (const [index, part] of parts.entries()) {
          assert.ok(part.start <= part.end);
          if (index > 0) assert.equal(part.start, parts[index - 1]!.end);
        }
      }),
    );
  });
});
