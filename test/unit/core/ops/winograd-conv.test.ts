/** Which convolutions are computed by minimal filtering, and which regions they then compute. */
import assert from 'node:assert/strict';
import { bindGraph, type BoundGraph } from '../../../../src/core/graph/bind.ts';
import type { Attribute, Graph, Node } from '../../../../src/core/graph/graph.ts';
import { isWinogradConv, OUTPUT_TILE } from '../../../../src/core/ops/winograd-conv.ts';
import { demandOf } from '../../../../src/core/program/demand.ts';
import { partition } from '../../../../src/core/plan/partition.ts';
import type { Shape } from '../../../../src/core/tensor/tensor.ts';
import { graphOf, node, specs, value } from '../graph/small-graphs.ts';
import { int, ints, text } from './facts.ts';

interface Layer {
  readonly input?: Shape;
  readonly weight?: Shape;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly opset?: number;
  readonly next?: string;
}

const PADS = { pads: ints(1, 1, 1, 1) };

function bind({ input = [1, 256, 28, 28], weight = [256, 256, 3, 3], attributes = {}, opset = 13, next }: Layer) {
  const nodes = [node('Conv', ['x', 'w'], ['c'], { ...PADS, ...attributes })];
  const channels = (name: string) => [name, { type: 'float32', shape: [weight[0]!], offset: 0 }] as const;
  if (next !== undefined) {
    const more = next === 'BatchNormalization' ? ['s', 'b', 'm', 'v'] : [];
    nodes.push(node(next, ['c', ...more], ['y']));
  }
  const rest: Partial<Graph> = {
    opsets: { '': opset },
    weights: new Map([['w', { type: 'float32', shape: weight, offset: 0 }], ...['s', 'b', 'm', 'v'].map(channels)]),
  };
  const graph = graphOf(nodes, [value('x', ...input)], [next === undefined ? 'c' : 'y'], rest);
  return bindGraph(graph, specs({ x: input }), 'fast');
}

const isFast = (layer: Layer): boolean => bind(layer).steps.some(({ node: own }) => isWinogradConv(own));

describe('convolution by minimal filtering', () => {
  for (const [what, layer] of [
    ['256 channels at 28x28', {}],
    ['without padding', { attributes: { pads: ints(0, 0, 0, 0) } }],
    ['before an activation', { next: 'Relu' }],
    ['before a normalisation', { next: 'BatchNormalization' }],
    ['128 channels at 112x112', { input: [1, 128, 112, 112], weight: [128, 128, 3, 3] }],
  ] as const satisfies readonly (readonly [string, Layer])[]) {
    it(`is taken for 3x3 filters: ${what}`, () => assert.ok(isFast(layer)));
  }

  for (const [what, layer] of [
    ['a stride', { attributes: { strides: ints(2, 2) } }],
    ['a dilation', { attributes: { dilations: ints(2, 2) } }],
    ['groups', { weight: [256, 128, 3, 3], attributes: { group: int(2) } }],
    ['filters of 5x5', { weight: [256, 256, 5, 5] }],
    ['filters of 1x1', { weight: [256, 256, 1, 1], attributes: { pads: ints(0, 0, 0, 0) } }],
    ['padding that is not given in numbers', { attributes: { pads: text(''), auto_pad: text('SAME_UPPER') } }],
    ['few channels', { input: [1, 32, 28, 28], weight: [256, 32, 3, 3] }],
    ['maps of less than two tiles', { input: [1, 256, 7, 7] }],
    ['several images', { input: [2, 256, 28, 28] }],
    ['an operator set without what it is written in', { opset: 11 }],
  ] as const satisfies readonly (readonly [string, Layer])[]) {
    it(`is not taken with ${what}`, () => assert.ok(!isFast(layer)));
  }

  describe('with a normalisation', () => {
    const norm = (inputs: readonly string[] = ['s', 'b', 'm', 'v']) =>
      node('BatchNormalization', ['c', ...inputs], ['y']);
    const bindAll = (nodes: readonly Node[], outputs: readonly string[], extra: readonly string[] = []): BoundGraph => {
      const weight = (name: string, ...shape: Shape) => [name, { type: 'float32', shape, offset: 0 }] as const;
      const weights = new Map([weight('w', 256, 256, 3, 3), ...['s', 'b', 'm', 'v'].map((name) => weight(name, 256))]);
      const shapes: Record<string, Shape> = { x: [1, 256, 28, 28] };
      for (const name of extra) shapes[name] = [256];
      const inputs = Object.entries(shapes).map(([name, shape]) => value(name, ...shape));
      const bias = extra.includes('t') ? ['t'] : [];
      const all = [node('Conv', ['x', 'w', ...bias], ['c'], PADS), ...nodes];
      return bindGraph(graphOf(all, inputs, outputs, { weights }), specs(shapes), 'fast');
    };

    it('takes it in: one step with its factors, named after its result', () => {
      const { steps, filtered } = bindAll([norm(), node('Relu', ['y'], ['z'])], ['z']);
      assert.deepEqual(
        steps.map(({ node: own }) => [own.op, own.inputs, own.outputs]),
        [
          ['WinogradConv', ['x', 'w', '', 's', 'b', 'm', 'v'], ['y']],
          ['Relu', ['y'], ['z']],
        ],
      );
      assert.deepEqual(filtered, ['c']);
    });

    it('reads its factors for the wanted channels only', () => {
      const wanted = [1, 256, 28, 28].map((end, axis) => (axis === 1 ? { start: 64, end: 128 } : { start: 0, end }));
      const { weights } = demandOf(bindAll([norm()], ['y']), { first: 0, last: 0 }, new Map([['y', wanted]]));
      for (const name of ['s', 'b', 'm', 'v']) assert.deepEqual(weights.get(name), [{ start: 64, end: 128 }]);
    });

    for (const [what, bound] of [
      ['somebody else reads the convolution as well', bindAll([norm(), node('Relu', ['c'], ['z'])], ['y', 'z'])],
      ['the convolution is an output of the model', bindAll([norm()], ['y', 'c'])],
      ['the bias of the convolution is not fixed by the model', bindAll([norm()], ['y'], ['t'])],
      ['its factors are not fixed by the model', bindAll([norm(['s', 'b', 'm', 'u'])], ['y'], ['u'])],
    ] as const) {
      it(`is not taken where ${what}`, () => assert.deepEqual(bound.filtered, []));
    }
  });

  it('is never taken in exact arithmetic', () => {
    const { graph } = bind({});
    assert.ok(!bindGraph(graph, specs({ x: [1, 256, 28, 28] })).steps.some(({ node: own }) => isWinogradConv(own)));
  });

  it('computes whole tiles of the grid of the whole map, and no more than the map', () => {
    const bound = bind({ input: [1, 256, 30, 30] });
    const wanted = [
      { start: 0, end: 1 },
      { start: 0, end: 256 },
      { start: 5, end: 9 },
      { start: 27, end: 29 },
    ];
    const { produced, feeds } = demandOf(bound, { first: 0, last: 0 }, new Map([['c', wanted]]));
    assert.deepEqual(produced.get('c')!.slice(2), [
      { start: 4, end: 12 },
      { start: 24, end: 30 },
    ]);
    assert.deepEqual(feeds.get('x')!.slice(2), [
      { start: 3, end: 13 },
      { start: 23, end: 30 },
    ]);
  });

  it('counts weights as what they have grown to, and less work', () => {
    const shape = { input: [1, 256, 28, 28] } as const;
    const fast = bind(shape);
    const exact = bindGraph(fast.graph, specs({ x: shape.input }));
    const whole = new Map([['c', [1, 256, 28, 28].map((end) => ({ start: 0, end }))]]);
    const [a, b] = [fast, exact].map((bound) => demandOf(bound, { first: 0, last: 0 }, whole)) as [
      ReturnType<typeof demandOf>,
      ReturnType<typeof demandOf>,
    ];
    assert.equal(a.weightBytes, 4 * b.weightBytes);
    assert.ok(a.macs < b.macs / 1.4);
  });

  it('has maps cut at tiles where every part gets one, else at half or nothing', () => {
    const starts = (rows: number, parts: number): number[] =>
      partition([1, 8, rows, 8], { axes: [2], counts: [parts] }, new Array<number>(parts).fill(1), 'fast')!.map(
        (region) => region[2]!.start,
      );
    assert.ok(starts(56, 5).every((start) => start % OUTPUT_TILE === 0));
    assert.ok(starts(14, 5).every((start) => start % 2 === 0));
    assert.equal(new Set(starts(14, 14)).size, 14);
  });
});
