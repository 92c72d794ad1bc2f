import assert from 'node:assert/strict';
import { GONE, HEARD, REQUEST, sampleTrace, WORKER, ENTRY } from '../../../support/sample-trace.ts';

describe('core/trace/trace', () => {
  it('puts all peers on one clock that begins when the request came in', () => {
    const trace = sampleTrace();
    assert.deepEqual([trace.state, trace.entry, trace.elapsedMs], ['answered', ENTRY, 30]);
    const [entry, worker] = trace.peers;
    assert.deepEqual(entry!.computed, [{ attempt: 1, block: 0, part: 0, lane: 0, readyMs: 7, startMs: 8, endMs: 12 }]);
    assert.deepEqual(worker!.computed, [
      { attempt: 1, block: 0, part: 1, lane: 1, readyMs: 10, startMs: 10, endMs: 24 },
    ]);
    assert.deepEqual(worker!.received, [{ attempt: 1, piece: 1, bytes: 480, startMs: 10, endMs: 10 }]);
    assert.deepEqual(entry!.received, [{ attempt: 1, piece: 3, bytes: 512, startMs: 29, endMs: 29 }]);
  });

  it('says how far clocks may be off: half the round trip, and more with age', () => {
    const [entry, worker] = sampleTrace().peers;
    assert.deepEqual([entry!.clock.offsetMs, entry!.clock.uncertaintyMs], [0, 0]);
    assert.deepEqual([worker!.clock.offsetMs, worker!.clock.uncertaintyMs], [-1000, 0.3]);
  });

  it('tells the plan that was replaced, and why, from the one that answered', () => {
    const { attempts, missing, names } = sampleTrace();
    assert.deepEqual(
      attempts.map(({ term, attempt, outcome, reason, coordinator }) => [term, attempt, outcome, reason, coordinator]),
      [
        [1, 1, 'replaced', 'gone was lost', ENTRY],
        [1, 2, 'answered', '', ENTRY],
      ],
    );
    assert.equal(attempts[0]!.plan, null);
    assert.deepEqual(missing, [{ peer: GONE, reason: 'it did not answer' }]);
    assert.ok(WORKER in names && GONE in names);
  });

  it('leaves out what the entry hands to itself', () => {
    assert.deepEqual(
      sampleTrace().attempts[1]!.plan!.pieces.map(({ id }) => id),
      [1, 3],
    );
  });

  it('tells what is known when the entry is gone', () => {
    const trace = sampleTrace([HEARD[1]!]);
    assert.deepEqual([trace.state, trace.entry, trace.model, trace.requestId], ['unknown', null, null, REQUEST]);
    assert.deepEqual(
      trace.attempts.map(({ attempt, coordinator, outcome }) => [attempt, coordinator, outcome]),
      [[2, ENTRY, 'replaced']],
    );
    assert.equal(trace.peers[0]!.marks[0]!.atMs, 0);
  });
});
