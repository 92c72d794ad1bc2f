import assert from 'node:assert/strict';
import { asPeerId, type PlanDigest } from '../../../src/core/ids.ts';
import { PlanLedger } from '../../../src/mesh/plan-ledger.ts';

const [A, B] = [asPeerId('a'), asPeerId('b')];
const digest = (n: number): PlanDigest => n.toString(16).padStart(64, '0') as PlanDigest;

describe('mesh/plan-ledger', () => {
  let ledger: PlanLedger;

  beforeEach(() => {
    ledger = new PlanLedger();
  });

  it('tells apart peers that hold a plan and peers that are prepared for it', () => {
    ledger.note([A], digest(1), 'held');
    assert.ok(ledger.holds(A, digest(1)));
    assert.ok(!ledger.isPrepared(A, digest(1)));
    ledger.note([A, B], digest(1), 'prepared');
    ledger.note([A], digest(1), 'held');
    assert.ok(ledger.isPrepared(A, digest(1)) && ledger.isPrepared(B, digest(1)));
    assert.ok(!ledger.holds(A, digest(2)));
  });

  it('forgets what a peer lacks, and all of a peer that was lost', () => {
    ledger.note([A, B], digest(1), 'prepared');
    ledger.note([A, B], digest(2), 'prepared');
    ledger.strike(A, digest(1));
    assert.ok(!ledger.holds(A, digest(1)) && ledger.holds(A, digest(2)) && ledger.holds(B, digest(1)));
    ledger.forget(A);
    assert.ok(!ledger.holds(A, digest(2)) && ledger.holds(B, digest(2)));
  });

  it('remembers a bounded number of plans for each peer', () => {
    for (let n = 0; n < 1000; n++) ledger.note([A], digest(n), 'held');
    const held = Array.from({ length: 1000 }, (_, n) => ledger.holds(A, digest(n)));
    assert.equal(held.filter(Boolean).length, 64);
    assert.ok(held.at(-1));
  });
});
