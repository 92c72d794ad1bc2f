import assert from 'node:assert/strict';
import { RUN_SILENCE_MS } from '../../../src/core/plan/course.ts';
import {
  SIGN_INTERVAL_MS,
  TELL_INTERVAL_MS,
  WAIT_INTERVAL_MS,
  WorkSigns,
  type WorkSign,
} from '../../../src/mesh/work-signs.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('mesh/work-signs', () => {
  let clock: FakeClock;
  let told: { readonly atMs: number; readonly sign: WorkSign }[];
  let isComputing: boolean;
  let signs: WorkSigns;

  beforeEach(() => {
    clock = new FakeClock();
    told = [];
    isComputing = false;
    signs = new WorkSigns({
      clock,
      isComputing: () => isComputing,
      tell: (sign) => told.push({ atMs: clock.now(), sign }),
    });
  });

  const tile = (block: number) => ({ block, part: 3 });

  it('tells of many tiles in one message, and at most one message in a quarter of a second', () => {
    signs.prepared();
    for (let block = 0; block < 100; block++) {
      signs.computed(tile(block));
      clock.advance(10);
    }
    signs.stop();
    assert.equal(TELL_INTERVAL_MS, 250);
    assert.equal(told.length, 4);
    const tiles = told.flatMap(({ sign }) => (sign.kind === 'progress' ? sign.tiles : []));
    assert.deepEqual(
      tiles.map(({ block }) => block),
      Array.from({ length: 100 }, (_, block) => block),
    );
  });

  it('says nothing of an attempt that is over within a quarter of a second', () => {
    signs.prepared();
    signs.computed(tile(0));
    clock.advance(TELL_INTERVAL_MS - 1);
    signs.stop();
    clock.advance(10_000);
    assert.deepEqual(told, []);
    assert.equal(clock.pending, 0);
  });

  it('shows that a long tile is being computed, often enough not to be blamed', () => {
    signs.prepared();
    isComputing = true;
    clock.advance(10_000);
    assert.ok(told.length >= 19 && told.length <= 20, `${told.length} signs`);
    assert.ok(told.every(({ sign }) => sign.kind === 'progress' && sign.tiles.length === 0));
    assert.ok(SIGN_INTERVAL_MS + TELL_INTERVAL_MS < RUN_SILENCE_MS / 2);
    signs.stop();
  });

  it('says nothing while it waits for others, but asks once in a while whether it still should', () => {
    signs.prepared();
    clock.advance(WAIT_INTERVAL_MS - 1);
    assert.deepEqual(told, []);
    clock.advance(2 * WAIT_INTERVAL_MS);
    assert.deepEqual(
      told.map(({ sign }) => sign),
      [{ kind: 'ready' }, { kind: 'ready' }],
    );
    signs.stop();
  });

  it('tells of weights as they come, and again and again that it still prepares', () => {
    clock.advance(100);
    signs.fetched(1, 10);
    signs.fetched(2, 10);
    clock.advance(400);
    assert.deepEqual(told, [
      { atMs: TELL_INTERVAL_MS, sign: { kind: 'preparing', completedBytes: 2, totalBytes: 10 } },
    ]);
    assert.ok(signs.hasSaidPreparing);
    clock.advance(3_000);
    assert.ok(told.length >= 6 && told.length <= 7, `${told.length} signs`);
    signs.stop();
  });

  it('sends more tiles than one message may name in several', () => {
    signs.prepared();
    for (let block = 0; block < 1000; block++) signs.computed(tile(block));
    clock.advance(2 * TELL_INTERVAL_MS);
    assert.deepEqual(
      told.map(({ sign }) => (sign.kind === 'progress' ? sign.tiles.length : undefined)),
      [512, 488],
    );
    signs.stop();
  });
});
