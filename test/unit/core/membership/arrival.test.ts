import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  expectedArrivals,
  failAfterMs,
  observeArrival,
  suspectAfterMs,
} from '../../../../src/core/membership/arrival.ts';

const settings = { minSuspectMs: 1_500, maxSuspectMs: 5_000 };
const after = (intervals: readonly number[]) => intervals.reduce(observeArrival, expectedArrivals(1_000));

describe('core/membership/arrival', () => {
  for (const [name, intervals, suspectMs] of [
    ['nothing heard yet', [], 1_500],
    ['perfectly regular', [1_000, 1_000, 1_000], 1_500],
    ['one long gap', [2_600], 2_800],
    ['very irregular', [100, 8_000, 100, 8_000], 5_000],
  ] as const) {
    it(`suspects after ${suspectMs} ms and fails after twice that when arrivals were: ${name}`, () => {
      assert.equal(suspectAfterMs(after(intervals), settings), suspectMs);
      assert.equal(failAfterMs(after(intervals), settings), 2 * suspectMs);
    });
  }

  it('returns to the shortest patience when arrivals become regular again', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 20 }), (intervals) => {
        const calm = Array.from({ length: 64 }, () => 1_000);
        assert.equal(suspectAfterMs(after([...intervals, ...calm]), settings), 1_500);
      }),
    );
  });
});
