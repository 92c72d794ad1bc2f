import assert from 'node:assert/strict';
import { drain } from '../../../src/mesh/drain.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const SETTINGS = { quietMs: 100, deadlineMs: 1_000 };

describe('mesh/drain', () => {
  /** How long it took, and what it said. */
  async function run(isQuietAt: (nowMs: number) => boolean): Promise<readonly [tookMs: number, isDone: boolean]> {
    const clock = new FakeClock();
    const seen = { announced: 0 };
    const announce = (): void => void (seen.announced += 1);
    let outcome: boolean | undefined;
    void drain({ clock, announce, isQuiet: () => isQuietAt(clock.now()) }, SETTINGS).then((done) => (outcome = done));
    while (outcome === undefined) {
      assert.ok(clock.now() <= 2 * SETTINGS.deadlineMs);
      clock.advance(1);
      await new Promise(setImmediate);
    }
    assert.equal(seen.announced, 1);
    return [clock.now(), outcome];
  }

  const near = ([tookMs, isDone]: readonly [number, boolean], expectedMs: number, expected: boolean): void => {
    assert.equal(isDone, expected);
    assert.ok(tookMs >= expectedMs && tookMs <= expectedMs + 50, `${tookMs} ms`);
  };

  it('waits a moment for what was sent before the others heard of it', async () => {
    near(await run(() => true), 100, true);
  });

  it('waits until what is in hand is done and nothing new has come for that moment', async () => {
    near(await run((nowMs) => nowMs > 300), 400, true);
    near(await run((nowMs) => nowMs > 300 && (nowMs < 350 || nowMs > 380)), 480, true);
  });

  it('gives up at its deadline', async () => {
    near(await run(() => false), 1_000, false);
  });
});
