import assert from 'node:assert/strict';
import { asPeerId } from '../../../src/core/ids.ts';
import { fromNumbers, fromFloat32 } from '../../../src/core/tensor/tensor.ts';
import { agree, contradicts, HONEST_TOLERANCE as TOLERANCE, judge, type Outputs } from '../../../src/core/verdict.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(asPeerId) as [never, never, never, never];
const says = (...values: number[]): Outputs =>
  new Map([['y', fromFloat32([values.length], Float32Array.from(values))]]);
const withRank = (score: number, rank: number): Outputs =>
  new Map([...says(score), ['rank', fromNumbers('int64', [1], [rank])]]);

describe('two answers', () => {
  it('agree within 1e-4 of the largest value, whichever element differs', () => {
    assert.ok(agree(says(100, 0), says(100, 0.009), TOLERANCE));
    assert.ok(!agree(says(100, 0), says(100, 0.011), TOLERANCE));
    assert.ok(contradicts(says(100, 0.011), says(100, 0), TOLERANCE));
  });

  it('agree where both say that it is no number, and not where one does', () => {
    assert.ok(agree(says(NaN), says(NaN), TOLERANCE));
    for (const [left, right] of [
      [NaN, 1],
      [1, NaN],
      [Infinity, 1],
      [Infinity, -Infinity],
    ] as const) {
      assert.ok(contradicts(says(left), says(right), TOLERANCE), `${left} and ${right}`);
    }
  });

  it('cannot hide behind values that are larger than any', () => {
    assert.ok(contradicts(says(1, 1e30), says(1, 1), TOLERANCE));
    assert.ok(contradicts(says(0, 0), says(1, 1), TOLERANCE));
  });

  it('of ranks that differ are different, but prove no lie where the scores are the same', () => {
    assert.ok(!agree(withRank(1, 3), withRank(1, 4), TOLERANCE));
    assert.ok(!contradicts(withRank(1, 3), withRank(1, 4), TOLERANCE));
    assert.ok(contradicts(withRank(2, 3), withRank(1, 3), TOLERANCE));
  });

  it('without an output prove a lie', () => {
    assert.ok(!agree(new Map(), says(1), TOLERANCE));
    assert.ok(contradicts(new Map(), says(1), TOLERANCE));
  });
});

describe('a verdict', () => {
  const opinion = (peer: never, value: number) => ({ peer, outputs: says(value) });

  it('goes by what most say, this peer included', () => {
    const verdict = judge([opinion(a, 2), opinion(b, 1), opinion(c, 1)], a, TOLERANCE);
    assert.deepEqual(verdict?.supporters, [b, c]);
    assert.deepEqual(verdict.liars, [a]);
  });

  it('goes by this peer where as many say otherwise', () => {
    const verdict = judge([opinion(b, 2), opinion(a, 1)], a, TOLERANCE);
    assert.deepEqual(verdict?.supporters, [a]);
    assert.deepEqual(verdict.liars, [b]);
  });

  it('is not made of a single word of others, nor where they stand two to two', () => {
    assert.equal(judge([], a, TOLERANCE), undefined);
    assert.equal(judge([opinion(b, 1)], a, TOLERANCE), undefined);
    assert.equal(judge([opinion(b, 1), opinion(c, 2)], a, TOLERANCE), undefined);
    assert.equal(judge([opinion(b, 1), opinion(c, 2), opinion(d, 2), opinion(b, 1)], a, TOLERANCE), undefined);
  });

  it('does not call a liar whom rounding sets apart', () => {
    const verdict = judge([opinion(a, 1), opinion(b, 1.00005), opinion(c, 1.00009)], a, TOLERANCE);
    assert.deepEqual(verdict?.liars, []);
  });
});
