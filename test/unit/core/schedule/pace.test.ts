import assert from 'node:assert/strict';
import { asPeerId, type ModelId } from '../../../../src/core/ids.ts';
import { PLAN_SCHEMA, type Plan } from '../../../../src/core/plan/plan.ts';
import { AS_IT_SAYS, observePace, paceAt, pacesOf } from '../../../../src/core/schedule/pace.ts';

const PEERS = ['a', 'b', 'c'].map(asPeerId);

/** One tile each, of as many planned milliseconds. */
const planOf = (...predictedMs: readonly number[]): Plan => ({
  schema: PLAN_SCHEMA,
  modelId: '0'.repeat(64) as ModelId,
  inputs: {},
  arithmetic: 'exact',
  participants: PEERS.slice(0, predictedMs.length),
  blocks: [
    {
      first: 0,
      last: 0,
      cut: { axes: [2], counts: [predictedMs.length] },
      parts: predictedMs.map((ms, participant) => ({ participant, outputs: {}, predictedMs: ms })),
    },
  ],
  predictedMs: 1,
  singleMs: 1,
});
const took = (...ms: readonly number[]) => ms.map((computeMs, part) => ({ block: 0, part, computeMs }));

describe('core/schedule/pace', () => {
  it('believes at once that a peer is slower, and in steps', () => {
    const slow = observePace(AS_IT_SAYS, 7, 0);
    assert.equal(paceAt(slow, 0), 8);
    assert.equal(paceAt(observePace(AS_IT_SAYS, 1.9, 0), 0), 1);
    assert.equal(paceAt(observePace(AS_IT_SAYS, 1e9, 0), 0), 16);
  });

  it('counts from what the peer was taken to be', () => {
    const slow = observePace(AS_IT_SAYS, 4, 0);
    assert.equal(paceAt(observePace(slow, 1, 0), 0), 4);
    assert.equal(paceAt(observePace(slow, 3, 0), 0), 16);
  });

  it('believes it less when it is seen to be faster, and forgets it when nothing is seen', () => {
    const slow = observePace(AS_IT_SAYS, 16, 0);
    let better = slow;
    for (let run = 0; run < 4; run++) better = observePace(better, 1 / 16, 0);
    assert.equal(paceAt(better, 0), 1);
    let before = Infinity;
    for (let nowMs = 0; nowMs <= 30_000; nowMs += 1_000) {
      const pace = paceAt(slow, nowMs);
      assert.ok(pace <= before);
      before = pace;
    }
    assert.equal(before, 1);
  });

  it('compares each peer with the median of all, by what was planned', () => {
    assert.deepEqual(
      pacesOf(planOf(100, 200, 100), took(150, 300, 900)),
      new Map([
        [PEERS[0], 1],
        [PEERS[1], 1],
        [PEERS[2], 6],
      ]),
    );
  });

  it('says nothing of a peer alone, and of those that had next to nothing to do', () => {
    assert.equal(pacesOf(planOf(100), took(900)).size, 0);
    assert.deepEqual([...pacesOf(planOf(1, 1, 1), took(1, 1, 99)).keys()], []);
    assert.deepEqual([...pacesOf(planOf(1, 1, 1), took(1, 1, 120)).keys()], [PEERS[2]]);
  });
});
