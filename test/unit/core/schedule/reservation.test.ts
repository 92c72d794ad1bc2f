import assert from 'node:assert/strict';
import { pauseAfterRefusal, release, reserve, reservedBytes } from '../../../../src/core/schedule/reservation.ts';
import { randomOf } from '../../../property/random.ts';

describe('core/schedule/reservation', () => {
  it('gives all or nothing, and what is given back to the next', () => {
    const first = reserve(new Map(), 'first', 60, 100)!;
    assert.equal(reserve(first, 'second', 50, 100), undefined);
    assert.equal(reservedBytes(reserve(first, 'second', 40, 100)!), 100);
    assert.equal(reservedBytes(reserve(release(first, 'first'), 'second', 50, 100)!), 50);
  });

  it('gives a peer with nothing in hand whatever it was planned for', () => {
    assert.equal(reservedBytes(reserve(new Map(), 'huge', 1e9, 100)!), 1e9);
  });

  it('counts a holder once', () => {
    const first = reserve(new Map(), 'first', 60, 100)!;
    assert.equal(reservedBytes(reserve(first, 'first', 90, 100)!), 90);
  });

  it('lets concurrent requests through that each need memory at several peers, in whatever order they ask', () => {
    const [PEERS, REQUESTS, CAPACITY] = [4, 30, 100];
    for (let seed = 0; seed < 20; seed++) {
      const random = randomOf(seed);
      let held = Array.from({ length: PEERS }, () => new Map() as ReadonlyMap<string, number>);
      const waiting = Array.from({ length: REQUESTS }, (_, index) => ({
        id: `${seed}/${index}`,
        needs: Array.from({ length: PEERS }, (_, peer) => ({ peer, bytes: random.integer(20, 99) })),
        refusals: 0,
        dueMs: 0,
      }));
      let asks = 0;
      const running: { readonly id: string; readonly endMs: number }[] = [];
      for (let nowMs = 0; waiting.length + running.length > 0; nowMs++) {
        assert.ok(nowMs < 60_000, `seed ${seed}: ${waiting.length} still wait`);
        for (const { id } of running.filter(({ endMs }) => endMs <= nowMs)) {
          held = held.map((own) => release(own, id));
          running.splice(
            running.findIndex((other) => other.id === id),
            1,
          );
        }
        for (const request of waiting.filter(({ dueMs }) => dueMs <= nowMs)) {
          asks += 1;
          const order = request.needs.toSorted(() => random.integer(0, 1) - 0.5);
          const granted = order.map(({ peer, bytes }) => reserve(held[peer]!, request.id, bytes, CAPACITY));
          if (granted.every((own) => own !== undefined)) {
            order.forEach(({ peer }, index) => (held[peer] = granted[index]!));
            running.push({ id: request.id, endMs: nowMs + 50 });
            waiting.splice(waiting.indexOf(request), 1);
          } else {
            request.refusals += 1;
            request.dueMs = nowMs + pauseAfterRefusal(request.id, request.refusals);
          }
        }
      }
      assert.ok(asks < REQUESTS * 20, `${asks} attempts`);
    }
  });

  it('waits longer each time, a second at most, and differently for each request', () => {
    for (let refusals = 1; refusals < 40; refusals++) {
      const pause = pauseAfterRefusal('a', refusals);
      assert.ok(pause > 0 && pause <= 1_000);
      assert.notEqual(pause, pauseAfterRefusal('b', refusals));
    }
    assert.ok(pauseAfterRefusal('a', 1) <= 25 && pauseAfterRefusal('a', 20) >= 500);
  });
});
