import assert from 'node:assert/strict';
import { concurrencyOf, NO_LOAD, observeLoad, observeMean, toldLoad } from '../../../../src/core/schedule/load.ts';

describe('core/schedule/load', () => {
  it('rises at once and falls by half every two seconds', () => {
    const busy = observeLoad(NO_LOAD, 16, 1_000);
    assert.equal(busy.requests, 16);
    assert.equal(observeLoad(busy, 1, 3_000).requests, 8);
    assert.equal(observeLoad(busy, 20, 1_001).requests, 20);
    assert.equal(observeLoad(busy, 1, 60_000).requests, 1);
  });

  it('is the same for requests that come and go', () => {
    let load = NO_LOAD;
    const seen = new Set<number>();
    for (let turn = 0; turn < 100; turn++) {
      load = observeLoad(load, turn % 2 === 0 ? 8 : 6, turn * 250);
      if (turn > 0) seen.add(concurrencyOf(load));
    }
    assert.deepEqual([...seen], [8]);
  });

  it('counts requests one after the other as one, however many peers they come in at', () => {
    const peers = Array.from({ length: 8 }, () => ({ requests: 0, atMs: 0 }));
    const told = peers.map(() => 0);
    let load = NO_LOAD;
    for (let nowMs = 50; nowMs < 30_000; nowMs += 50) {
      // One request after the other, of 400 ms each; a peer looks twice a second, and each at another moment.
      for (const [index, mean] of peers.entries()) {
        if (nowMs % 500 !== index * 50) continue;
        peers[index] = observeMean(mean, Math.floor(nowMs / 400) % peers.length === index ? 1 : 0, nowMs);
        told[index] = toldLoad(peers[index]);
      }
      load = observeLoad(
        load,
        told.reduce((sum, requests) => sum + requests, 0),
        nowMs,
      );
      assert.equal(concurrencyOf(load), 1, `at ${nowMs} ms`);
    }
    assert.ok(load.requests > 0.5);
  });

  const steps: readonly (readonly [requests: number, concurrency: number])[] = [
    [0, 1],
    [1, 1],
    [1.3, 1],
    [2, 2],
    [3, 4],
    [5, 4],
    [6, 8],
    [24, 32],
    [48, 64],
  ];
  for (const [requests, expected] of steps) {
    it(`makes plans for ${expected} at ${requests} requests`, () => {
      assert.equal(concurrencyOf({ requests, atMs: 0 }), expected);
    });
  }
});
