/** What each rule answers, as tables: shapes, axes that can be cut, and what an interval of the output needs. */
import assert from 'node:assert/strict';
import { ruleOf } from '../../../../src/core/ops/index.ts';
import type { NodeFacts } from '../../../../src/core/ops/rule.ts';
import type { Shape } from '../../../../src/core/tensor/tensor.ts';
import {
  cuttableOf,
  describeInputs,
  describeRegion,
  factsOf,
  int,
  ints,
  list,
  localOf,
  reals,
  shapesOf,
  text,
} from './facts.ts';

/** `1101`: an axis each, 1 where it can be cut. */
const mask = (facts: NodeFacts): string =>
  cuttableOf(facts)
    .map((isCuttable) => (isCuttable ? '1' : '0'))
    .join('');

const WEIGHTS: Shape = [8, 4, 3, 3];
const SHAPES: Readonly<Record<string, [facts: NodeFacts, shape: Shape | undefined, cuttable: string]>> = {
  'a convolution': [factsOf('Conv', [[2, 4, 9, 9], WEIGHTS], { strides: ints(2, 2) }), [2, 8, 4, 4], '1111'],
  'a series': [
    factsOf('Conv', [
      [1, 4, 9],
      [2, 4, 3],
    ]),
    [1, 2, 7],
    '111',
  ],
  'a volume': [
    factsOf('Conv', [
      [1, 1, 4, 4, 4],
      [2, 1, 2, 2, 2],
    ]),
    [1, 2, 3, 3, 3],
    '11111',
  ],
  'a transposed convolution': [
    factsOf(
      'ConvTranspose',
      [
        [1, 4, 3, 3],
        [4, 2, 2, 2],
      ],
      { strides: ints(2, 2) },
    ),
    [1, 2, 6, 6],
    '1111',
  ],
  'one that leaves gaps': [
    factsOf(
      'ConvTranspose',
      [
        [1, 4, 3, 3],
        [4, 2, 1, 2],
      ],
      { strides: ints(2, 2) },
    ),
    [1, 2, 5, 6],
    '1101',
  ],
  'one of a wanted shape': [
    factsOf(
      'ConvTranspose',
      [
        [1, 1, 3, 3],
        [1, 2, 3, 3],
      ],
      { strides: ints(3, 2), output_shape: ints(10, 8) },
    ),
    [1, 2, 10, 8],
    '1111',
  ],
  'a pool': [
    factsOf('MaxPool', [[1, 4, 9, 9]], { kernel_shape: ints(2, 2), strides: ints(2, 2), ceil_mode: int(1) }),
    [1, 4, 5, 5],
    '1111',
  ],
  'a pool with indices': [
    factsOf('MaxPool', [[1, 4, 8, 8]], { kernel_shape: ints(2, 2) }, 13, 2),
    [1, 4, 7, 7],
    '0000',
  ],
  'a global pool': [factsOf('GlobalAveragePool', [[2, 4, 9, 9]]), [2, 4, 1, 1], '1100'],
  'a reduction': [factsOf('ReduceMean', [[2, 4, 9]], { axes: ints(-1), keepdims: int(0) }), [2, 4], '11'],
  'a reduction of nothing': [factsOf('ReduceSum', [[2, 4], list()], { noop_with_empty_axes: int(1) }), [2, 4], '11'],
  'a reduction of everything': [factsOf('ReduceSum', [[2, 4]]), [1, 1], '00'],
  'a sum that broadcasts': [
    factsOf('Add', [
      [2, 1, 5],
      [4, 1],
    ]),
    [2, 4, 5],
    '111',
  ],
  'shapes that do not broadcast': [factsOf('Add', [[2, 3], [4]]), undefined, ''],
  'old broadcasting': [factsOf('Add', [[2, 3], [3]], { broadcast: int(1) }, 6), undefined, ''],
  'a softmax': [factsOf('Softmax', [[2, 3, 4]]), [2, 3, 4], '110'],
  'a softmax of old': [factsOf('Softmax', [[2, 3, 4]], {}, 11), [2, 3, 4], '100'],
  'a layer normalisation': [
    factsOf(
      'LayerNormalization',
      [
        [2, 3, 4],
        [3, 4],
      ],
      { axis: int(1) },
    ),
    [2, 3, 4],
    '100',
  ],
  'a group normalisation': [
    factsOf('GroupNormalization', [[2, 6, 4], [6], [6]], { num_groups: int(3) }),
    [2, 6, 4],
    '110',
  ],
  'a batch normalisation in training': [
    factsOf('BatchNormalization', [[2, 3], [3], [3], [3], [3]], { training_mode: int(1) }),
    undefined,
    '',
  ],
  'a normalisation over channels': [factsOf('LRN', [[2, 3, 4, 4]]), [2, 3, 4, 4], '1011'],
  'a product': [
    factsOf('MatMul', [
      [2, 1, 3, 4],
      [5, 4, 6],
    ]),
    [2, 5, 3, 6],
    '1111',
  ],
  'a product with a vector': [factsOf('MatMul', [[2, 3, 4], [4]]), [2, 3], '11'],
  'a product of two vectors': [factsOf('MatMul', [[4], [4]]), [], ''],
  'a full connection': [
    factsOf(
      'Gemm',
      [
        [4, 2],
        [5, 4],
      ],
      { transA: int(1), transB: int(1) },
    ),
    [2, 5],
    '11',
  ],
  'a reshape': [factsOf('Reshape', [[2, 3, 4], list(0, -1)]), [2, 12], '11'],
  'a reshape to what is not known': [factsOf('Reshape', [[2, 3, 4], [2]]), undefined, ''],
  'a flattening': [factsOf('Flatten', [[2, 3, 4]]), [2, 12], '11'],
  'a transposition': [factsOf('Transpose', [[2, 3, 4]]), [4, 3, 2], '111'],
  'a slice backwards': [factsOf('Slice', [[9, 9], list(-1), list(-99), list(0), list(-2)]), [5, 9], '11'],
  'a slice to the end': [factsOf('Slice', [[9, 9], list(2), list(2 ** 53), list(1)]), [9, 7], '11'],
  'a constant padding': [factsOf('Pad', [[1, 4], list(0, 1, 0, 2)]), [1, 7], '11'],
  'a reflection': [factsOf('Pad', [[1, 4], list(0, 1, 0, 2)], { mode: text('reflect') }), [1, 7], '11'],
  'a reflection beyond the map': [factsOf('Pad', [[1, 2], list(0, 1, 0, 2)], { mode: text('reflect') }), [1, 5], '10'],
  'a doubling': [factsOf('Resize', [[1, 2, 4, 4], undefined, reals(1, 1, 2, 2)]), [1, 2, 8, 8], '1111'],
  'a halving between pixels': [
    factsOf('Resize', [[1, 2, 4, 6], undefined, reals(1, 1, 0.5, 0.5)], { mode: text('linear') }),
    [1, 2, 2, 3],
    '1111',
  ],
  'corners that stay': [
    factsOf('Resize', [[1, 2, 4, 4], undefined, reals(1, 1, 2, 2)], {
      mode: text('linear'),
      coordinate_transformation_mode: text('align_corners'),
    }),
    [1, 2, 8, 8],
    '1100',
  ],
  'depth to space': [factsOf('DepthToSpace', [[1, 8, 3, 3]], { blocksize: int(2) }), [1, 2, 6, 6], '1011'],
  'an embedding': [
    factsOf('Gather', [
      [16, 6],
      [2, 5],
    ]),
    [2, 5, 6],
    '111',
  ],
  'an expansion': [factsOf('Expand', [[3, 1], list(2, 1, 4)]), [2, 3, 4], '111'],
  'a tiling': [factsOf('Tile', [[3, 2], list(1, 2)]), [3, 4], '10'],
  'a running sum': [factsOf('CumSum', [[3, 2], list(1)]), [3, 2], '10'],
  'a split': [factsOf('Split', [[3, 5], list(2, 3)], { axis: int(1) }, 13, 2), [3, 2], '10'],
  'a join': [
    factsOf(
      'Concat',
      [
        [1, 2],
        [1, 3],
      ],
      { axis: int(-1) },
    ),
    [1, 5],
    '11',
  ],
};

describe('operator rules', () => {
  for (const [name, [facts, shape, cuttable]] of Object.entries(SHAPES)) {
    it(`know the shape of ${name}, and where it can be cut`, () => {
      assert.deepEqual(shapesOf(facts)?.[0], shape);
      if (shape !== undefined) assert.equal(mask(facts), cuttable);
    });
  }

  it('declare nothing for operators of other domains, unknown ones and names of the prototype', () => {
    for (const op of ['If', 'Loop', 'NonMaxSuppression', 'toString', 'constructor']) {
      assert.equal(ruleOf(factsOf(op, []).node), undefined);
    }
    assert.equal(ruleOf({ ...factsOf('Conv', []).node, domain: 'com.example' }), undefined);
  });
});

type Bounds = readonly (readonly [number, number])[];
const conv = (group: number, pads: number): NodeFacts =>
  factsOf('Conv', [[1, 4, 8, 8], [8, 4 / group, 3, 3], [8]], { pads: ints(pads, pads, pads, pads), group: int(group) });
const pooled = factsOf('AveragePool', [[1, 2, 7, 4]], {
  kernel_shape: ints(2, 1),
  strides: ints(2, 1),
  ceil_mode: int(1),
});
const sliced = factsOf('Slice', [[9], list(-1), list(-99), list(0), list(-2)]);
const reflected = factsOf('Pad', [[9], list(3, 2)], { mode: text('reflect') });
const constant = factsOf('Pad', [[9], list(3, -2)]);
const doubled = factsOf('Resize', [[1, 1, 8, 1], undefined, undefined, list(1, 1, 16, 1)], { mode: text('linear') });

/** Region wanted, region computed, and what is needed of each input. */
const NEEDS: Readonly<Record<string, [facts: NodeFacts, wanted: Bounds, computed: string, inputs: string[]]>> = {
  'rows of a convolution': [
    conv(1, 1),
    [
      [0, 1],
      [0, 8],
      [2, 4],
      [0, 8],
    ],
    '0:1 0:8 2:4 0:8',
    ['0:1 0:4 1:5 0:8', '0:8 0:4 0:3 0:3', '0:8'],
  ],
  'channels of a convolution': [
    conv(1, 1),
    [
      [0, 1],
      [3, 5],
      [0, 8],
      [0, 8],
    ],
    '0:1 3:5 0:8 0:8',
    ['0:1 0:4 0:8 0:8', '3:5 0:4 0:3 0:3', '3:5'],
  ],
  'channels of a grouped one, by whole groups': [
    conv(2, 1),
    [
      [0, 1],
      [3, 4],
      [0, 8],
      [0, 8],
    ],
    '0:1 0:4 0:8 0:8',
    ['0:1 0:2 0:8 0:8', '0:4 0:2 0:3 0:3', '0:4'],
  ],
  'rows of padding only, with one more': [
    conv(1, 3),
    [
      [0, 1],
      [0, 8],
      [0, 1],
      [0, 12],
    ],
    '0:1 0:8 0:2 0:12',
    ['0:1 0:4 0:1 0:8', '0:8 0:4 0:3 0:3', '0:8'],
  ],
  'the last row of a pool that rounds up': [
    pooled,
    [
      [0, 1],
      [0, 2],
      [3, 4],
      [0, 4],
    ],
    '0:1 0:2 3:4 0:4',
    ['0:1 0:2 6:7 0:4'],
  ],
  'a column of a full connection': [
    factsOf('Gemm', [[2, 6], [9, 6], [9]], { transB: int(1) }),
    [
      [0, 2],
      [3, 5],
    ],
    '0:2 3:5',
    ['0:2 0:6', '3:5 0:6', '3:5'],
  ],
  'a row of a product with a vector': [
    factsOf('MatMul', [[2, 3, 4], [4]]),
    [
      [1, 2],
      [0, 2],
    ],
    '1:2 0:2',
    ['1:2 0:2 0:4', '0:4'],
  ],
  'a row that broadcasts': [
    factsOf('Add', [
      [2, 1, 5],
      [4, 1],
    ]),
    [
      [1, 2],
      [2, 3],
      [0, 5],
    ],
    '1:2 2:3 0:5',
    ['1:2 0:1 0:5', '2:3 0:1'],
  ],
  'what a join overlaps': [factsOf('Concat', [[2], [3], [4]], { axis: int(0) }), [[1, 4]], '1:4', ['1:2', '0:2', '-']],
  'what a reshape can express': [
    factsOf('Reshape', [[6, 4], list(3, 8)]),
    [
      [1, 2],
      [0, 8],
    ],
    '1:2 0:8',
    ['2:4 0:4', '<1 8>'],
  ],
  'a slice backwards': [sliced, [[1, 3]], '1:3', ['4:7', '<2>', '<-4>', '0:1', '0:1']],
  'the beginning of a reflection': [reflected, [[1, 2]], '0:7', ['0:4', '<3 0>']],
  'the middle of a reflection': [reflected, [[5, 8]], '5:8', ['2:5', '<0 0>']],
  'the end of a reflection': [reflected, [[12, 13]], '9:14', ['6:9', '<0 2>']],
  'padding alone, with an element of the map': [constant, [[0, 1]], '0:4', ['0:1', '<3 0>']],
  'the end of what is cropped': [constant, [[8, 10]], '8:10', ['5:7', '<0 0>']],
  'the middle of a doubling': [
    doubled,
    [
      [0, 1],
      [0, 1],
      [6, 8],
      [0, 1],
    ],
    '0:1 0:1 6:8 0:1',
    ['0:1 0:1 2:5 0:1', '-', '-', '<1 1 6 1>'],
  ],
  'rows of a table': [
    factsOf('Gather', [
      [16, 6],
      [2, 5],
    ]),
    [
      [0, 1],
      [1, 3],
      [2, 4],
    ],
    '0:1 1:3 2:4',
    ['0:16 2:4', '0:1 1:3'],
  ],
  'squares that became rows': [
    factsOf('DepthToSpace', [[1, 8, 3, 3]], { blocksize: int(2) }),
    [
      [0, 1],
      [0, 2],
      [1, 3],
      [0, 6],
    ],
    '0:1 0:2 0:4 0:6',
    ['0:1 0:8 0:2 0:3'],
  ],
  'channels of scales': [
    factsOf('QuantizeLinear', [[1, 4, 2], reals(1, 2, 3, 4)]),
    [
      [0, 1],
      [1, 3],
      [0, 2],
    ],
    '0:1 1:3 0:2',
    ['0:1 1:3 0:2', '1:3'],
  ],
  'a group of channels': [
    factsOf('GroupNormalization', [[1, 6, 4], [6], [6]], { num_groups: int(3) }),
    [
      [0, 1],
      [3, 4],
      [0, 4],
    ],
    '0:1 2:4 0:4',
    ['0:1 2:4 0:4', '2:4', '2:4'],
  ],
};

describe('a region of the output', () => {
  for (const [name, [facts, wanted, computed, inputs]] of Object.entries(NEEDS)) {
    it(`needs of the inputs: ${name}`, () => {
      const local = localOf(facts, ...wanted);
      assert.equal(describeRegion(local.region), computed);
      assert.deepEqual(describeInputs(local), inputs);
    });
  }

  it('carries the padding that is left over', () => {
    const local = localOf(conv(1, 1), [0, 1], [0, 8], [0, 4], [4, 8]);
    assert.deepEqual(local.attributes?.pads, ints(1, 0, 0, 1));
    assert.deepEqual(localOf(conv(2, 1), [0, 1], [3, 4], [0, 8], [0, 8]).attributes?.group, int(1));
  });

  it('is cut out of what interpolation writes around it', () => {
    const local = localOf(doubled, [0, 1], [0, 1], [6, 8], [0, 1]);
    assert.equal(describeRegion(local.written!), '0:1 0:1 4:10 0:1');
  });
});
