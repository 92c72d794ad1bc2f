import assert from 'node:assert/strict';
import { quantile, summarise } from '../../../bench/measure/statistics.ts';

describe('statistics of measurements', () => {
  for (const [values, share, expected] of [
    [[7], 0.5, 7],
    [[3, 1, 2], 0.5, 2],
    [[1, 2, 3, 4], 0.5, 2.5],
    [[1, 2, 3, 4], 0, 1],
    [[1, 2, 3, 4], 1, 4],
    [[10, 20, 30, 40, 50], 0.95, 48],
  ] as const) {
    it(`puts ${share} of ${JSON.stringify(values)} below ${expected}`, () => {
      assert.equal(quantile(values, share), expected);
    });
  }

  it('has no quantile of nothing', () => assert.ok(Number.isNaN(quantile([], 0.5))));

  it('leaves the series as it was', () => {
    const values = [3, 1, 2];
    assert.deepEqual(summarise(values), { count: 3, min: 1, median: 2, p95: 2.9, max: 3 });
    assert.deepEqual(values, [3, 1, 2]);
  });
});
