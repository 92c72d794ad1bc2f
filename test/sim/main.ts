/** `npm run test:sim -- --seeds N [--first SEED] [--seed SEED] [--without fence|lease|checksum]`: see `history.ts`. */
import { parseArgs } from 'node:util';
import { describeDelays, type Delay } from './delays.ts';
import { historyOf } from './history.ts';
import type { Planted } from './peer.ts';

const PLANTED: readonly Planted[] = ['none', 'fence', 'lease', 'checksum'];

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    without: { type: 'string', default: 'none' },
  },
});
const planted = PLANTED.find((one) => one === values.without);
if (planted === undefined) throw new Error(`--without takes one of ${PLANTED.join(', ')}`);
const first = Number(values.seed ?? values.first);
const last = values.seed === undefined ? first + Number(values.seeds) - 1 : first;

const totals = { requests: 0, elections: 0, events: 0, slowestMs: 0, failed: 0 };
const allDelays: Delay[] = [];
const startedMs = performance.now();
for (let seed = first; seed <= last; seed++) {
  const { violations, log, requests, elections, events, slowestMs, delays } = await historyOf(
    seed,
    planted,
    first === last,
  );
  totals.requests += requests;
  totals.elections += elections;
  totals.events += events;
  allDelays.push(...delays);
  totals.slowestMs = Math.max(totals.slowestMs, slowestMs);
  if (log.length > 0) console.log(log.join('\n'));
  if (violations.length === 0) continue;
  totals.failed += 1;
  const without = planted === 'none' ? '' : ` --without ${planted}`;
  console.log(`seed ${seed}: ${violations.join('; ')}\n  npm run test:sim -- --seed ${seed}${without}`);
}
const { failed, requests, elections, events, slowestMs } = totals;
console.log(
  `${last - first + 1} histories, ${requests} requests, ${elections} elections after the first, ${events} events, ` +
    `slowest answer ${(slowestMs / 1000).toFixed(1)} s after the faults, ${failed} histories broke a rule, ` +
    `${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
);
console.log(['under way during', ...describeDelays(allDelays)].join('\n  '));
if (failed > 0) process.exitCode = 1;
