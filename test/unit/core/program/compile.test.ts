import assert from 'node:assert/strict';
import { bindGraph, type BoundGraph } from '../../../../src/core/graph/bind.ts';
import { describe as describeBox, type Region } from '../../../../src/core/geometry/region.ts';
import { compileTile } from '../../../../src/core/program/compile.ts';
import { BackwardWalk, demandOf, totalMacs } from '../../../../src/core/program/demand.ts';
import type { Tile } from '../../../../src/core/program/program.ts';
import { numberValues } from '../../../../src/core/tensor/tensor.ts';
import { graphOf, node, specs, value } from '../graph/small-graphs.ts';
import { ints, regionOf } from '../ops/facts.ts';

const PADS = { pads: ints(1, 1, 1, 1) };

/** Two convolutions of 3 x 3 and a shortcut around the second. */
const residual = (): BoundGraph =>
  bindGraph(
    graphOf(
      [node('Conv', ['x', 'w'], ['a'], PADS), node('Conv', ['a', 'w'], ['b'], PADS), node('Add', ['a', 'b'], ['y'])],
      [value('x', 1, 2, 16, 4)],
      ['y'],
      { weights: new Map([['w', { type: 'float32', shape: [2, 2, 3, 3], offset: 0 }]]) },
    ),
    specs({ x: [1, 2, 16, 4] }),
  );

const rows = (start: number, end: number): Region => regionOf([0, 1], [0, 2], [start, end], [0, 4]);
const tileOf = (bound: BoundGraph, start: number, end: number): Tile =>
  compileTile(bound, { first: 0, last: 2 }, new Map([['y', rows(start, end)]]), 'model');

describe('demand', () => {
  it('grows backwards by the halo of each operator, and takes the most that any reader needs', () => {
    const { produced, feeds, weights } = demandOf(residual(), { first: 0, last: 2 }, new Map([['y', rows(4, 8)]]));
    assert.deepEqual(produced.get('b'), rows(4, 8));
    assert.deepEqual(produced.get('a'), rows(3, 9));
    assert.deepEqual(feeds.get('x'), rows(2, 10));
    assert.equal(describeBox(weights.get('w')!), '[0:2, 0:2, 0:3, 0:3]');
  });

  it('counts work with the overlap: together, parts do no less than the whole', () => {
    const bound = residual();
    const of = (start: number, end: number): number =>
      demandOf(bound, { first: 0, last: 2 }, new Map([['y', rows(start, end)]])).macs;
    assert.equal(of(0, 16), totalMacs(bound));
    assert.equal(totalMacs(bound), 2 * (2 * 16 * 4) * 18);
    assert.equal(of(0, 8) + of(8, 16), totalMacs(bound) + 2 * (2 * 4) * 18);
  });

  it('leaves out what nothing wanted depends on', () => {
    const walk = new BackwardWalk(residual());
    walk.want('a', rows(0, 2));
    for (const index of [2, 1, 0]) walk.visit(index);
    assert.deepEqual(
      walk.steps.map(({ step }) => step.node.name),
      ['Conv_a'],
    );
  });

  it('refuses to compute what no step of the range does', () => {
    assert.throws(() => demandOf(residual(), { first: 0, last: 0 }, new Map([['y', rows(0, 1)]])), {
      code: 'INTERNAL',
    });
  });
});

describe('a compiled tile', () => {
  it('runs the model as it is where all of it is wanted', () => {
    const { program, parameters } = tileOf(residual(), 0, 16);
    assert.deepEqual(
      program.nodes.map(({ op }) => op),
      ['Conv', 'Conv', 'Add'],
    );
    assert.equal(parameters.size, 0);
  });

  it('crops what a shortcut holds too much of, by bounds that are parameters', () => {
    const { program, parameters, feeds } = tileOf(residual(), 4, 8);
    assert.deepEqual(
      program.nodes.map(({ op }) => op),
      ['Conv', 'Conv', 'Slice', 'Add'],
    );
    assert.deepEqual(feeds.get('x'), rows(2, 10));
    const bounds = [...parameters.values()].map(numberValues);
    assert.deepEqual(bounds, [
      [0, 0, 1, 0],
      [1, 2, 5, 4],
    ]);
    assert.deepEqual(
      program.parameters.map(({ shape }) => shape),
      [[4], [4]],
    );
  });

  it('pads only where it touches the border of the map', () => {
    const padsOf = ({ program }: Tile): unknown => program.nodes[0]!.attributes.pads;
    assert.deepEqual(padsOf(tileOf(residual(), 0, 4)), ints(1, 1, 0, 1));
    assert.deepEqual(padsOf(tileOf(residual(), 4, 8)), ints(0, 1, 0, 1));
    assert.deepEqual(padsOf(tileOf(residual(), 12, 16)), ints(0, 1, 1, 1));
  });

  it('shares its program with tiles of the same kind, and with no other', () => {
    const bound = residual();
    const key = (start: number, end: number): string => tileOf(bound, start, end).program.key;
    assert.equal(key(4, 6), key(6, 10));
    assert.equal(new Set([key(0, 4), key(4, 8), key(12, 16), key(0, 16)]).size, 4);
    const other = compileTile(bound, { first: 0, last: 2 }, new Map([['y', rows(4, 8)]]), 'other');
    assert.notEqual(other.program.key, key(4, 8));
  });

  it('names the channels of the weights that it needs', () => {
    const channel = regionOf([0, 1], [1, 2], [0, 16], [0, 4]);
    const { program } = compileTile(residual(), { first: 1, last: 1 }, new Map([['b', channel]]), 'model');
    assert.deepEqual(
      [...program.weights.values()].map(({ weight, region }) => `${weight} ${describeBox(region)}`),
      ['w [1:2, 0:2, 0:3, 0:3]'],
    );
  });

  it('cuts off what an operator writes beyond what is valid', () => {
    const bound = bindGraph(
      graphOf(
        [node('Resize', ['x', '', 's'], ['y'], { mode: { kind: 'string', value: 'linear' } })],
        [value('x', 1, 1, 8, 2)],
        ['y'],
        {
          constants: new Map([
            ['s', { type: 'float32', shape: [4], bytes: new Uint8Array(Float32Array.of(1, 1, 2, 2).buffer) }],
          ]),
        },
      ),
      specs({ x: [1, 1, 8, 2] }),
    );
    const wanted = regionOf([0, 1], [0, 1], [6, 8], [0, 4]);
    const { program, parameters } = compileTile(bound, { first: 0, last: 0 }, new Map([['y', wanted]]), 'model');
    assert.deepEqual(
      program.nodes.map(({ op, outputs }) => [op, ...outputs]),
      [
        ['Resize', 'y::written'],
        ['Slice', 'y'],
      ],
    );
    assert.deepEqual([...parameters.values()].map(numberValues), [
      [0, 0, 2, 0],
      [1, 1, 4, 4],
    ]);
  });

  it('bakes bounds in where the operator set is too old for parameters', () => {
    const old = residual();
    const bound = { ...old, graph: { ...old.graph, opsets: { '': 9 } } };
    const { program } = tileOf(bound, 4, 8);
    const crop = program.nodes.find(({ op }) => op === 'Slice')!;
    assert.deepEqual(crop.attributes, { starts: ints(0, 0, 1, 0), ends: ints(1, 2, 5, 4) });
    assert.equal(program.parameters.length, 0);
  });
});
