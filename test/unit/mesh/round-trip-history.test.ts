import assert from 'node:assert/strict';
import { asPeerId } from '../../../src/core/ids.ts';
import { RoundTripHistory } from '../../../src/mesh/round-trip-history.ts';

const PEER = asPeerId('a');

describe('mesh/round-trip-history', () => {
  it('knows nothing until a question was answered', () => {
    const history = new RoundTripHistory();
    assert.equal(history.figuresOf(PEER), null);
    history.note(PEER, null);
    assert.equal(history.figuresOf(PEER), null);
  });

  it('gives median, 99th percentile and loss of the last questions', () => {
    const history = new RoundTripHistory();
    for (let old = 0; old < 500; old++) history.note(PEER, 9_999);
    for (let ms = 1; ms <= 100; ms++) history.note(PEER, 101 - ms);
    for (let lost = 0; lost < 28; lost++) history.note(PEER, null);
    assert.deepEqual(history.figuresOf(PEER), { p50Ms: 50, p99Ms: 99, loss: 1 - 100 / 128, samples: 128 });
    assert.equal(history.figuresOf(asPeerId('b')), null);
  });
});
