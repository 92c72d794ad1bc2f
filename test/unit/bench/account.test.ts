import assert from 'node:assert/strict';
import { account, sharesOf } from '../../../bench/cluster/account.ts';
import { asPeerId, type ModelId } from '../../../src/core/ids.ts';
import type { RunReport } from '../../../src/core/report.ts';

const [a, b] = [asPeerId('a'), asPeerId('b')];
const part = (peer: typeof a, computeMs: number, haloBytes = 0) => ({ peer, region: '', computeMs, haloBytes });

/** Two blocks on two peers: 40 and 30, then 20 and 10 ms; 100 ms in all. */
const report: RunReport = {
  model: 'm',
  modelId: '0'.repeat(64) as ModelId,
  coordinator: a,
  entry: b,
  names: {},
  term: 1,
  attempts: 1,
  elapsedMs: 100,
  cut: '',
  blocks: [
    { nodes: [], cut: '', parts: [part(a, 40, 1_000), part(b, 30, 2_000)] },
    { nodes: [], cut: '', parts: [part(b, 20, 123_000), part(a, 10)] },
  ],
  bytesPeerToPeer: 126_000,
  bytesThroughCoordinator: 50_000,
  predictedMs: 55,
  lostPeers: [],
};
const facts = { boards: 2, wholeMs: 80, linkMbit: 100, inputBytes: 10_000 };

describe('the account of where time went', () => {
  it('shares out what each board did', () => {
    assert.deepEqual(
      [...sharesOf(report)],
      [
        [a, { tiles: 2, computeMs: 50, receivedBytes: 1_000 }],
        [b, { tiles: 2, computeMs: 50, receivedBytes: 125_000 }],
      ],
    );
  });

  it('adds up to the time measured', () => {
    const { evenMs, redundantMs, imbalanceMs, betweenMs } = account([report], facts);
    assert.deepEqual(
      { evenMs, redundantMs, imbalanceMs, betweenMs },
      { evenMs: 40, redundantMs: 10, imbalanceMs: 10, betweenMs: 40 },
    );
    assert.equal(evenMs + redundantMs + imbalanceMs + betweenMs, report.elapsedMs);
  });

  it('bounds it by even work and the busiest cable', () => {
    // 125 kB at 100 Mbit/s.
    assert.deepEqual(account([report], facts).lineMs, 10);
    assert.equal(account([report], facts).boundMs, 50);
    assert.equal(account([report], { ...facts, inputBytes: 1_250_000 }).lineMs, 100);
    assert.equal(account([{ ...report, entry: a }], { ...facts, inputBytes: 1_250_000 }).lineMs, 10);
  });
});
