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
const facts = { boards: 2, wholeMs: 80, linkMbit: 100, inputBytes: 10_000, wholeCpuMs: 20, kernelCpuMs: 22 };

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
    const { evenMs, redundantMs, stalledMs, imbalanceMs, betweenMs } = account([report], facts);
    const parts = [evenMs, redundantMs, stalledMs, imbalanceMs, betweenMs];
    // 22 of processor time where the whole model takes 20, and 50 by the clock where that makes 44.
    assert.deepEqual(parts.map(Math.round), [40, 4, 6, 10, 40]);
    assert.equal(Math.round(parts.reduce((total, part) => total + part)), report.elapsedMs);
  });

  it('bounds it by even work and the busiest cable', () => {
    // 125 kB at 100 Mbit/s.
    assert.deepEqual(account([report], facts).lineMs, 10);
    assert.equal(account([report], facts).boundMs, 50);
    assert.equal(account([report], { ...facts, inputBytes: 1_250_000 }).lineMs, 100);
    assert.equal(account([{ ...report, entry: a }], { ...facts, inputBytes: 1_250_000 }).lineMs, 10);
  });
});
