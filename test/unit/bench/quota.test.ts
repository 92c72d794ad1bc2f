import assert from 'node:assert/strict';
import { MIN_CORES, quotaFor } from '../../../bench/emulation/quota.ts';

describe('the quota of a share of a core', () => {
  for (const [cores, periodUs, quotaUs] of [
    [1, 5_000, 5_000],
    [2, 5_000, 10_000],
    [0.5, 5_000, 2_500],
    [0.2, 5_000, 1_000],
    [1 / 12, 12_000, 1_000],
    [1 / 16, 16_000, 1_000],
    [0.001, 1_000_000, 1_000],
  ] as const) {
    it(`is ${quotaUs} of ${periodUs} microseconds for ${cores} cores`, () => {
      assert.deepEqual(quotaFor(cores), { periodUs, quotaUs });
    });
  }

  it('is the share within a tenth of a percent, never less than 1 ms, in a period of at most a second', () => {
    for (let cores = MIN_CORES; cores < 4; cores *= 1.013) {
      const { periodUs, quotaUs } = quotaFor(cores);
      assert.ok(Math.abs(quotaUs / periodUs / cores - 1) < 1e-3, `${quotaUs} of ${periodUs} for ${cores}`);
      assert.ok(quotaUs >= 1_000 && periodUs <= 1_000_000);
      assert.ok(Number.isInteger(quotaUs) && Number.isInteger(periodUs));
    }
  });

  for (const cores of [0, -1, 0.0009, NaN]) {
    it(`cannot be had for ${cores} cores`, () => assert.throws(() => quotaFor(cores), RangeError));
  }
});
