import assert from 'node:assert/strict';
import { lenet5Graph } from '../../../models/zoo/lenet5/network.ts';
import { GIGABIT } from '../../../src/core/cost/cost-model.ts';
import { bindGraph } from '../../../src/core/graph/bind.ts';
import type { ModelId } from '../../../src/core/ids.ts';
import { explainPlan } from '../../../src/core/plan/explain.ts';
import { plainBoard } from '../../../src/sim/boards.ts';
import { boardName, simulate } from '../../../src/sim/simulate.ts';
import { tickMs } from '../../../src/sim/svg/gantt.ts';
import { element, escapeText } from '../../../src/sim/svg/markup.ts';
import { peerColour } from '../../../src/sim/svg/palette.ts';
import { drawPicture } from '../../../src/sim/svg/picture.ts';

const TAG = /<(\/?)([a-z]\w*)((?: [\w-]+="[^"<>]*")*)(\/?)>/gi;

/** Names of elements whose tags do not match, or text that is no tag. */
function flaws(svg: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, closing, name, , single] of svg.matchAll(TAG)) {
    if (closing === '/') {
      if (open.pop() !== name) wrong.push(name!);
    } else if (single !== '/') open.push(name!);
  }
  const rest = svg.replaceAll(TAG, '');
  return [...wrong, ...open, ...(/[<>]/.test(rest) ? ['stray bracket'] : [])];
}

describe('sim/svg', () => {
  const bound = bindGraph(lenet5Graph(), new Map([['image', { type: 'float32', shape: [1, 1, 28, 28] }]]));
  const boards = [0, 1, 2, 3].map(() => plainBoard(10e9));
  const { timeline, planned, requests } = simulate({
    bound,
    modelId: 'a'.repeat(64) as ModelId,
    link: GIGABIT,
    cable: GIGABIT,
    parallelism: 4,
    boards,
    workload: { kind: 'requests', count: 1 },
  });
  const { plan } = planned!;
  const names = boards.map((_, index) => boardName(index));
  const peers = boards.map(({ profile }, index) => ({ peer: plan.participants[index]!, ...profile }));
  const choice = { plan, runnersUp: [], considered: [] };
  const svg = drawPicture({
    title: 'a < b & "c"',
    subtitle: '',
    bound,
    plan,
    explanation: explainPlan(bound, choice, peers, requests[0]!.coordinator!, GIGABIT),
    timeline,
    names,
    fromMs: 0,
    toMs: requests[0]!.endedMs,
  });

  it('is well-formed, and text cannot break out', () => {
    assert.deepEqual(flaws(svg), []);
    assert.ok(svg.includes('a &lt; b &amp; &quot;c&quot;'));
  });

  it('needs nothing from elsewhere', () => {
    const references = [...svg.matchAll(/(?:href|src)="|url\(([^)]*)\)|@import/g)].map(([, target]) => target);
    assert.ok(references.length > 0);
    assert.deepEqual(new Set(references), new Set(['#halo']));
    assert.deepEqual([...svg.matchAll(/https?:[^"]*/g)].map(String), ['http://www.w3.org/2000/svg']);
  });

  it('shows every tile and every board', () => {
    for (const { block, part } of timeline.tiles) assert.ok(svg.includes(`block ${block + 1}, part ${part + 1}:`));
    for (const name of names) assert.ok(svg.includes(`>${name}</text>`));
  });

  it('has colours for a dark page', () => assert.match(svg, /@media \(prefers-color-scheme:dark\)/));

  it('gives peers different colours', () =>
    assert.equal(new Set(Array.from({ length: 32 }, (_, index) => peerColour(index))).size, 32));

  for (const [spanMs, expected] of [
    [10, 1],
    [95, 10],
    [330, 50],
    [6000, 1000],
    [0.5, 0.05],
  ] as const) {
    it(`has ticks every ${expected} ms over ${spanMs} ms`, () => assert.ok(Math.abs(tickMs(spanMs) - expected) < 1e-9));
  }

  it('leaves out what XML has no place for', () => {
    assert.equal(escapeText('a\u0007b\ud800c'), 'abc');
    assert.equal(element('a', { b: '"' }), '<a b="&quot;"/>');
  });
});
