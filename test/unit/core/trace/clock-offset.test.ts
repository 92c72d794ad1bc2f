import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DRIFT, offsetFrom, uncertaintyAfter } from '../../../../src/core/trace/clock-offset.ts';

describe('core/trace/clock-offset', () => {
  it('is off by no more than it says, whichever way the delays fall', () => {
    const delay = fc.double({ min: 0, max: 50, noNaN: true });
    const samples = fc.array(fc.tuple(delay, delay), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), samples, (offsetMs, delays) => {
        let nowMs = 1000;
        const taken = delays.map(([thereMs, backMs]) => {
          const askedMs = nowMs;
          nowMs += thereMs + backMs;
          return { askedMs, heardMs: nowMs, answeredMs: askedMs + thereMs - offsetMs };
        });
        const found = offsetFrom(taken)!;
        assert.ok(Math.abs(found.offsetMs - offsetMs) <= found.uncertaintyMs + 1e-6);
        assert.equal(found.roundTripMs, Math.min(...taken.map(({ askedMs, heardMs }) => heardMs - askedMs)));
      }),
    );
  });

  it('knows nothing without samples', () => assert.equal(offsetFrom([]), undefined));

  it('is less sure of what was recorded long ago', () => {
    assert.equal(uncertaintyAfter({ uncertaintyMs: 0.5 }, 10_000), 0.5 + 10_000 * DRIFT);
  });
});
