import assert from 'node:assert/strict';
import { foldNode } from '../../../../src/core/graph/fold.ts';
import { fromNumbers, numberValues, type Tensor } from '../../../../src/core/tensor/tensor.ts';
import { factsOf, int, list, reals } from '../ops/facts.ts';

const scalar = (value: number): Tensor => fromNumbers('int64', [], [value]);
const bools = (...values: number[]): Tensor => fromNumbers('bool', [values.length], values);

type Case = readonly [
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Readonly<Record<string, number>>,
  values: number[] | undefined,
];

const CASES: Readonly<Record<string, Case>> = {
  'a sum of lists': ['Add', [list(1, 2), list(3, 4)], {}, [4, 6]],
  'a sum with one for all': ['Add', [list(1, 2), scalar(3)], {}, [4, 5]],
  'a quotient of whole numbers': ['Div', [list(7, -7), scalar(2)], {}, [3, -3]],
  'a quotient of real ones': ['Div', [reals(7), reals(2)], {}, [3.5]],
  'nothing by zero': ['Div', [list(7), scalar(0)], {}, undefined],
  'a remainder': ['Mod', [list(-7, 7), scalar(3)], {}, [2, 1]],
  'a remainder with the sign of the first': ['Mod', [list(-7), scalar(3)], { fmod: 1 }, [-1]],
  'one of a list': ['Gather', [list(5, 6, 7), scalar(-1)], {}, [7]],
  'none that is not there': ['Gather', [list(5), scalar(3)], {}, undefined],
  'a part of a list': ['Slice', [list(5, 6, 7), list(1), list(2 ** 52), list(0)], {}, [6, 7]],
  'every other one, with its axes left out': [
    'Slice',
    [list(1, 2, 3, 4), list(0), list(4), undefined, list(2)],
    {},
    [1, 3],
  ],
  'lists joined': ['Concat', [list(1), list(2, 3)], { axis: 0 }, [1, 2, 3]],
  'what fits a smaller type': ['Cast', [list(1, 255)], { to: 2 }, [1, 255]],
  'nothing that does not fit it': ['Cast', [list(256)], { to: 2 }, undefined],
  'nothing of half precision': ['Cast', [list(1)], { to: 10 }, undefined],
  'a whole number cut off': ['Cast', [reals(2.7, -2.7)], { to: 7 }, [2, -2]],
  'no number that is none': ['Cast', [reals(NaN)], { to: 7 }, undefined],
  'a list of zeros': ['ConstantOfShape', [list(3)], {}, [0, 0, 0]],
  'nothing of huge shape': ['ConstantOfShape', [list(4096, 4096)], {}, undefined],
  'a range': ['Range', [scalar(1), scalar(7), scalar(2)], {}, [1, 3, 5]],
  'no endless range': ['Range', [scalar(1), scalar(7), scalar(0)], {}, undefined],
  'a choice': ['Where', [bools(1, 0), list(1, 2), list(3, 4)], {}, [1, 4]],
  'a comparison': ['Equal', [list(1, 2), list(1, 3)], {}, [1, 0]],
  'an expansion': ['Expand', [list(1, 2), list(2, 2)], {}, [1, 2, 1, 2]],
  'a product over a list': ['ReduceProd', [list(2, 3, 4)], {}, [24]],
  'nothing where an input is not known': ['Add', [list(1), undefined], {}, undefined],
};

const fold = (facts: ReturnType<typeof factsOf>): Tensor | undefined => foldNode(facts);

describe('constant folding', () => {
  for (const [name, [op, inputs, attributes, values]] of Object.entries(CASES)) {
    it(`gives ${name}`, () => {
      const given = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, int(value)]));
      const facts = factsOf(op, inputs, given);
      const unknown = op === 'Add' && inputs.includes(undefined);
      const result = fold(unknown ? { ...facts, node: { ...facts.node, inputs: ['a', 'b'] } } : facts);
      assert.deepEqual(result && numberValues(result), values);
    });
  }

  it('gives shapes and sizes, of a part of the axes too', () => {
    assert.deepEqual(numberValues(fold(factsOf('Shape', [[2, 3, 4]]))!), [2, 3, 4]);
    assert.deepEqual(numberValues(fold(factsOf('Shape', [[2, 3, 4]], { start: int(-2), end: int(-1) }))!), [3]);
    assert.deepEqual(numberValues(fold(factsOf('Size', [[2, 3, 4]]))!), [24]);
  });

  it('gives the same elements under other shapes', () => {
    assert.deepEqual(fold(factsOf('Unsqueeze', [scalar(3), list(0, 1)]))?.shape, [1, 1]);
    assert.deepEqual(fold(factsOf('Squeeze', [list(3)]))?.shape, []);
    assert.deepEqual(fold(factsOf('Reshape', [list(1, 2, 3, 4), list(2, -1)]))?.shape, [2, 2]);
  });

  it('leaves the largest whole numbers to the kernel, which has them exactly', () => {
    const largest: Tensor = {
      type: 'int64',
      shape: [1],
      bytes: new Uint8Array(BigInt64Array.of(2n ** 63n - 1n).buffer),
    };
    assert.equal(fold(factsOf('Concat', [largest, list(1)], { axis: int(0) })), undefined);
    assert.equal(fold(factsOf('Identity', [largest])), largest);
  });

  it('leaves operators of other domains alone', () => {
    const facts = factsOf('Add', [list(1), list(2)]);
    assert.equal(fold({ ...facts, node: { ...facts.node, domain: 'com.example' } }), undefined);
  });
});
