import assert from 'node:assert/strict';
import { bindGraph } from '../../../../src/core/graph/bind.ts';
import { numberValues, type Shape } from '../../../../src/core/tensor/tensor.ts';
import { int, ints, list } from '../ops/facts.ts';
import { graphOf, node, specs, value } from './small-graphs.ts';

const X = value('x', 'N', 2, 'H', 8);
const shapeOf = (shape: Shape) => specs({ x: shape });

describe('binding a graph to its inputs', () => {
  it('knows every shape, drops what nobody needs and folds what comes from shapes', () => {
    const graph = graphOf(
      [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'zero'], ['n']),
        node('Concat', ['n', 'rest'], ['target'], { axis: int(0) }),
        node('Relu', ['x'], ['r']),
        node('Neg', ['x'], ['unused']),
        node('Reshape', ['r', 'target'], ['y']),
      ],
      [X],
      ['y'],
      {
        constants: new Map([
          ['zero', list(0)],
          ['rest', list(-1)],
        ]),
      },
    );
    const bound = bindGraph(graph, shapeOf([3, 2, 4, 8]));
    assert.deepEqual(
      bound.steps.map((step) => step.node.op),
      ['Relu', 'Reshape'],
    );
    assert.deepEqual(bound.shapes.get('y'), [3, 64]);
    assert.deepEqual(numberValues(bound.constants.get('target')!), [3, -1]);
    assert.equal(bound.firstOpaque, 2);
    assert.equal(bound.producers.get('r'), 0);
    assert.deepEqual(bound.readers.get('r'), [1]);
  });

  it('says which input is missing, wrong or too many', () => {
    const graph = graphOf([node('Relu', ['x'], ['y'])], [X], ['y']);
    const cases: [given: Record<string, Shape>, message: RegExp][] = [
      [{}, /"x" is missing/],
      [{ x: [1, 3, 4, 8] }, /takes float32 of shape \[N, 2, H, 8\]/],
      [{ x: [1, 2, 4] }, /takes float32/],
      [{ x: [1, 2, 0, 8] }, /takes float32/],
      [{ x: [1, 2, 2 ** 42, 8] }, /takes float32/],
      [{ x: [1, 2, 4, 8], z: [1] }, /no input "z"/],
    ];
    for (const [given, message] of cases) {
      assert.throws(() => bindGraph(graph, specs(given)), { code: 'INVALID_INPUT', message });
    }
  });

  it('refuses maps smaller than a window, by the name of the node', () => {
    const pool = node('MaxPool', ['x'], ['y'], { kernel_shape: ints(5, 5) });
    assert.throws(() => bindGraph(graphOf([pool], [X], ['y']), shapeOf([1, 2, 4, 8])), {
      code: 'INVALID_INPUT',
      message: /MaxPool_y/,
    });
  });

  it('refuses nodes that are not what their operator is, by name', () => {
    for (const own of [node('Conv', ['x'], ['y']), node('Concat', [], ['y']), node('Transpose', [], ['y'])]) {
      assert.throws(() => bindGraph(graphOf([own], [X], ['y']), shapeOf([1, 2, 4, 8])), {
        code: 'INVALID_MODEL',
        message: new RegExp(own.name),
      });
    }
  });

  it('does not go on for ever with an axis that is not there', () => {
    const cut = node('Slice', ['x'], ['y'], { starts: ints(0), ends: ints(1), axes: ints(2 ** 31) });
    assert.throws(() => bindGraph(graphOf([cut], [X], ['y']), shapeOf([1, 2, 4, 8])), { code: 'INVALID_INPUT' });
  });

  describe('operators that declare nothing', () => {
    const steps = [node('Mystery', ['x'], ['m'], {}, { domain: 'com.example' }), node('Relu', ['m'], ['y'])];
    const withDeclared = (...dims: (number | string)[]) =>
      graphOf(steps, [X], ['y'], { declared: new Map([['m', value('m', ...dims)]]) });

    it('end what is known of shapes', () => {
      const bound = bindGraph(graphOf(steps, [X], ['y']), shapeOf([1, 2, 4, 8]));
      assert.equal(bound.firstOpaque, 0);
      assert.equal(bound.steps[1]!.bound, undefined);
    });

    it('have the shape that the file gives for the same open dimensions', () => {
      const bound = bindGraph(withDeclared('N', 7, 'H'), shapeOf([3, 2, 4, 8]));
      assert.deepEqual(bound.shapes.get('m'), [3, 7, 4]);
      assert.equal(bound.firstOpaque, 2);
      assert.equal(bound.steps[0]!.bound, undefined);
      assert.ok(bound.steps[1]!.bound);
    });

    it('have no shape that was fixed before dimensions were opened, or that depends on unknown ones', () => {
      for (const dims of [
        [1, 7, 4],
        ['N', 'other'],
      ]) {
        assert.equal(bindGraph(withDeclared(...dims), shapeOf([3, 2, 4, 8])).firstOpaque, 0);
      }
    });

    it('keep what their sub-graphs read', () => {
      const loop = node('Loop', ['x'], ['y'], {}, { captures: ['r'] });
      const bound = bindGraph(graphOf([node('Relu', ['x'], ['r']), loop], [X], ['y']), shapeOf([1, 2, 4, 8]));
      assert.equal(bound.steps.length, 2);
      assert.deepEqual(bound.readers.get('r'), [1]);
    });
  });

  it('leaves tensors without elements to the kernel', () => {
    const empty = node('Slice', ['x'], ['e'], { starts: ints(0), ends: ints(0), axes: ints(2) });
    const bound = bindGraph(graphOf([empty, node('Relu', ['e'], ['y'])], [X], ['y']), shapeOf([1, 2, 4, 8]));
    assert.equal(bound.firstOpaque, 0);
  });
});
