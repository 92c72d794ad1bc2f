/**
 * Thousands of histories in which peers die, freeze, slow down and lose each other: see `history.ts`. A history that breaks
 * a rule is named with the command that tells it again.
 */
import assert from 'node:assert/strict';
import { historyOf } from './history.ts';
import type { Planted } from './peer.ts';

const SEEDS = Number(process.env.TILEMESH_SIM_SEEDS ?? 2_000);
/** What a history may take on a busy machine. */
const TIMEOUT_MS_A_SEED = 2_000;
/** Histories within which each planted fault must be found. */
const PLANTED_SEEDS = 400;

describe('simulated histories', function () {
  this.timeout(60_000 + SEEDS * TIMEOUT_MS_A_SEED);

  it(`answer every request once and rightly, and end with a whole and idle mesh: ${SEEDS} of them`, async () => {
    const broken: string[] = [];
    let elections = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await historyOf(seed);
      elections += outcome.elections;
      if (outcome.violations.length === 0) continue;
      broken.push(`seed ${seed}: ${outcome.violations.join('; ')}\n    npm run test:sim -- --seed ${seed}`);
    }
    assert.equal(broken.length, 0, `\n  ${broken.slice(0, 20).join('\n  ')}`);
    assert.ok(elections >= SEEDS / 10, `only ${elections} elections after a first: the faults did not hit`);
  });

  it('are the same whenever they are told', async () => {
    const [once, again] = [await historyOf(11, 'none', true), await historyOf(11, 'none', true)];
    assert.ok(once.log.length > 50);
    assert.deepEqual(again, once);
  });

  const missed: readonly (readonly [Planted, RegExp])[] = [
    ['fence', /older term/],
    ['lease', /answers|failed|still works/],
    ['checksum', /wrong/],
  ];
  for (const [planted, rule] of missed) {
    it(`break a rule where the ${planted} is left out`, async () => {
      for (let seed = 1; seed <= PLANTED_SEEDS; seed++) {
        const { violations } = await historyOf(seed, planted);
        if (violations.some((violation) => rule.test(violation))) return;
      }
      assert.fail(`${PLANTED_SEEDS} histories without it broke no rule`);
    });
  }
});
