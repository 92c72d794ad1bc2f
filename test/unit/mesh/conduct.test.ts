import assert from 'node:assert/strict';
import { asPeerId } from '../../../src/core/ids.ts';
import { Conduct } from '../../../src/mesh/conduct.ts';

const A = asPeerId('a');

describe('mesh/conduct', () => {
  let nowMs = 0;
  const settings = { firstPauseMs: 5, maxPauseMs: 40, forgiveMs: 1_000 };

  it('leaves a peer out longer with each fault, up to a limit, and nobody else', () => {
    const conduct = new Conduct(() => nowMs, settings);
    for (const pauseMs of [5, 10, 20, 40, 40]) {
      conduct.fault(A);
      nowMs += pauseMs - 1;
      assert.ok(conduct.isBenched(A));
      assert.ok(!conduct.isBenched(asPeerId('b')));
      nowMs += 1;
      assert.ok(!conduct.isBenched(A));
    }
  });

  it('forgives', () => {
    const conduct = new Conduct(() => nowMs, settings);
    for (let fault = 0; fault < 8; fault++) conduct.fault(A);
    nowMs += 1_000;
    conduct.fault(A);
    nowMs += 5;
    assert.ok(!conduct.isBenched(A));
  });
});
