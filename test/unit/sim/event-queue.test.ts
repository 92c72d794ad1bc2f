import assert from 'node:assert/strict';
import { EventQueue } from '../../../src/sim/event-queue.ts';
import { exponential, requestIdOf, uniform } from '../../../src/sim/random.ts';
import { isRequestId } from '../../../src/core/ids.ts';

describe('sim/event-queue', () => {
  it('lets things happen in the order of time, and of asking where the time is the same', () => {
    const queue = new EventQueue();
    const seen: string[] = [];
    for (const [name, dueMs] of [
      ['c', 3],
      ['a', 1],
      ['b', 2],
      ['b2', 2],
      ['a2', 1],
    ] as const) {
      queue.at(dueMs, () => seen.push(`${name}@${queue.nowMs}`));
    }
    queue.run();
    assert.deepEqual(seen, ['a@1', 'a2@1', 'b@2', 'b2@2', 'c@3']);
  });

  it('keeps order over many events', () => {
    const queue = new EventQueue();
    const seen: number[] = [];
    const times = Array.from({ length: 500 }, (_, index) => Math.floor(uniform(7, 'time', index) * 100));
    for (const dueMs of times) queue.at(dueMs, () => seen.push(dueMs));
    queue.run();
    assert.deepEqual(
      seen,
      times.toSorted((a, b) => a - b),
    );
  });

  it('takes what events ask for, nothing that was cancelled, and nothing after the end', () => {
    const queue = new EventQueue();
    const seen: number[] = [];
    queue.after(1, () => queue.after(1, () => seen.push(queue.nowMs)));
    queue.after(2, () => seen.push(-1))();
    queue.at(9, () => seen.push(queue.nowMs));
    queue.run(5);
    assert.deepEqual(seen, [2]);
    queue.run();
    assert.deepEqual(seen, [2, 9]);
  });

  it('lets what is past happen now', () => {
    const queue = new EventQueue();
    let atMs = -1;
    queue.at(5, () => queue.at(1, () => (atMs = queue.nowMs)));
    queue.run();
    assert.equal(atMs, 5);
  });
});

describe('sim/random', () => {
  it('depends on seed, name and count, and on nothing else', () => {
    assert.equal(uniform(1, 'a', 0), uniform(1, 'a', 0));
    const draws = [uniform(1, 'a', 0), uniform(2, 'a', 0), uniform(1, 'b', 0), uniform(1, 'a', 1)];
    assert.equal(new Set(draws).size, 4);
  });

  it('draws times between events of the mean it promises', () => {
    const count = 20_000;
    const sum = Array.from({ length: count }, (_, index) => exponential(3, 'x', index)).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum / count - 1) < 0.03, String(sum / count));
  });

  it('makes request ids', () => assert.ok(isRequestId(requestIdOf(1, 12))));
});
