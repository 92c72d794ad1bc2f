/** Which layers are computed by minimal filtering by what is known of each, and of those next to it. */
import assert from 'node:assert/strict';
import { bindGraph } from '../../../../src/core/graph/bind.ts';
import type { Node } from '../../../../src/core/graph/graph.ts';
import { byVerdicts, candidatesOf, type Verdicts } from '../../../../src/core/graph/minimal-filtering.ts';
import { int, ints } from '../ops/facts.ts';
import { graphOf, node, specs, value } from './small-graphs.ts';

const CHANNELS = 8;
const INPUT = [1, CHANNELS, 16, 16];
const conv = (input: string, output: string): Node => node('Conv', [input, 'w'], [output], { pads: ints(1, 1, 1, 1) });
const relu = (input: string, output: string): Node => node('Relu', [input], [output]);
const halving = { kernel_shape: ints(2, 2), strides: ints(2, 2) };

function bind(nodes: readonly Node[], verdicts?: Verdicts) {
  const weights = new Map([['w', { type: 'float32', shape: [CHANNELS, CHANNELS, 3, 3], offset: 0 } as const]]);
  const graph = graphOf(nodes, [value('x', ...INPUT)], nodes.at(-1)!.outputs, { weights });
  return verdicts === undefined
    ? bindGraph(graph, specs({ x: INPUT }))
    : bindGraph(graph, specs({ x: INPUT }), 'fast', byVerdicts(verdicts));
}

const neighboursIn = (nodes: readonly Node[]): Record<string, readonly string[]> => {
  const { steps, graph } = bind(nodes);
  return Object.fromEntries(candidatesOf(steps, graph).map(({ name, neighbours }) => [name, neighbours]));
};

const LARGE = '8x8@16x16';
const SMALL = '8x8@8x8';

describe('minimal filtering in a graph', () => {
  for (const [what, between, are] of [
    ['nothing', [], true],
    ['an activation', [relu('a', 'm')], true],
    ['an activation and a pool of 2x2', [relu('a', 'n'), node('MaxPool', ['n'], ['m'], halving)], true],
    ['an addition', [node('Add', ['a', 'x'], ['m'])], true],
    ['a pool of 3x3', [node('MaxPool', ['a'], ['m'], { ...halving, kernel_shape: ints(3, 3) })], false],
    ['a concatenation', [node('Concat', ['a'], ['m'], { axis: int(1) })], false],
    ['another kind of convolution', [node('Conv', ['a', 'w'], ['m'], { strides: ints(2, 2) })], false],
  ] as const) {
    it(`has convolutions for neighbours with ${what} in between: ${are ? 'yes' : 'no'}`, () => {
      const nodes = [conv('x', 'a'), ...between, conv(between.length === 0 ? 'a' : 'm', 'b')];
      assert.deepEqual(neighboursIn(nodes), are ? { a: ['b'], b: ['a'] } : { a: [], b: [] });
    });
  }

  const chain = [conv('x', 'a'), relu('a', 'r'), node('MaxPool', ['r'], ['p'], halving), conv('p', 'b')];
  const apart = [conv('x', 'a'), node('AveragePool', ['a'], ['p'], halving), conv('p', 'b')];
  for (const [what, nodes, verdicts, filtered] of [
    ['chained ones next to each other', chain, { [LARGE]: 'chained', [SMALL]: 'chained' }, ['a', 'b']],
    ['a chained one next to a fast one', chain, { [LARGE]: 'chained', [SMALL]: 'fast' }, ['a', 'b']],
    ['no chained one next to a direct one', chain, { [LARGE]: 'chained', [SMALL]: 'exact' }, []],
    ['no chained one for itself', apart, { [LARGE]: 'chained', [SMALL]: 'fast' }, ['b']],
  ] as const) {
    it(`takes ${what}`, () => assert.deepEqual(bind(nodes, verdicts).filtered, filtered));
  }
});
