/** Graphs on which cutting once changed the answer, or failed, written down as small as they could be made. */
import assert from 'node:assert/strict';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import type { Graph, Node } from '../../src/core/graph/graph.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import { fromNumbers, type Shape, type Tensor } from '../../src/core/tensor/tensor.ts';
import { graphOf, node, value } from '../unit/core/graph/small-graphs.ts';
import { int, ints, list, text } from '../unit/core/ops/facts.ts';
import { isBitExact } from '../support/bit-exact.ts';
import { openBench, type Bench } from './bench.ts';
import { checkCase, emptyTally, type CutCase } from './check-case.ts';
import { floats } from './draft.ts';

interface CounterExample {
  readonly x: Shape;
  readonly opset: number;
  readonly nodes: readonly Node[];
  readonly outputs: readonly string[];
  readonly weights?: Readonly<Record<string, Shape>>;
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly cut: CutCase;
  /** What the runtime computes of a part differs in its last bits from the whole on some machines. */
  readonly isRounded?: boolean;
}

const cut = (axis: number, weights: readonly number[], isGrid = false): CutCase => ({ axis, isGrid, weights });

const FOUND: Readonly<Record<string, CounterExample>> = {
  'a half-precision value between two blocks': {
    x: [1, 6, 7, 6],
    opset: 14,
    nodes: [node('Cast', ['x'], ['h'], { to: int(10) }), node('Cast', ['h'], ['y'], { to: int(1) })],
    outputs: ['y', 'h'],
    cut: cut(2, [4, 3]),
  },
  'a convolution whose windows all miss the map, beside a reader of a part': {
    x: [1, 4, 1, 12],
    opset: 7,
    nodes: [
      node('Ceil', ['x'], ['c']),
      node('LRN', ['c'], ['l'], { size: int(3) }),
      node('Conv', ['c', 'w'], ['y'], { strides: ints(3, 1), pads: ints(1, 1, 1, 2) }),
    ],
    outputs: ['l', 'y'],
    weights: { w: [3, 4, 1, 2] },
    cut: cut(3, [1, 1]),
  },
  'a transposed convolution that begins in a gap between windows': {
    x: [2, 4, 3, 9],
    opset: 17,
    nodes: [node('ConvTranspose', ['x', 'w'], ['y'], { strides: ints(1, 2), output_shape: ints(2, 15) })],
    outputs: ['y'],
    weights: { w: [4, 3, 1, 1] },
    cut: cut(0, [1, 1]),
  },
  'a transposed convolution asked for more than it makes': {
    x: [1, 1, 3, 3],
    opset: 11,
    nodes: [node('ConvTranspose', ['x', 'w'], ['y'], { strides: ints(3, 2), output_shape: ints(10, 8) })],
    outputs: ['y'],
    weights: { w: [1, 2, 3, 3] },
    cut: cut(2, [2, 3]),
  },
  'weights of which some are one run of bytes and some are not': {
    x: [1, 4, 8, 8],
    opset: 13,
    nodes: [node('Add', ['x', 'table'], ['a']), node('Conv', ['a', 'w'], ['y'], { pads: ints(1, 1, 1, 1) })],
    outputs: ['y'],
    weights: { table: [1, 4, 8, 8], w: [8, 4, 3, 3] },
    cut: cut(2, [1, 2, 1]),
  },
  'a resize to sizes that depend on the tile': {
    x: [1, 3, 6, 4],
    opset: 14,
    nodes: [node('Resize', ['x', '', '', 's'], ['y'], { mode: text('linear') })],
    outputs: ['y'],
    constants: { s: list(1, 3, 12, 8) },
    cut: cut(2, [2, 3]),
  },
  'an answer that is the input': {
    x: [1, 2, 4, 4],
    opset: 13,
    nodes: [],
    outputs: ['x'],
    cut: cut(2, [1, 1]),
  },
  'a transpose without an order, of what was quantised by channels': {
    x: [2, 8, 6, 5],
    opset: 13,
    nodes: [
      node('QuantizeLinear', ['x', 'scale', 'zero'], ['q'], { axis: int(1) }),
      node('DequantizeLinear', ['q', 'scale', 'zero'], ['d'], { axis: int(1) }),
      node('Transpose', ['d'], ['y']),
    ],
    outputs: ['y'],
    constants: {
      scale: floats([8], 3, 0.05, 0.2),
      zero: fromNumbers('int8', [8], [0, 1, 2, 3, 4, 5, 6, 7]),
    },
    cut: cut(2, [3, 2]),
  },
  'a value beside a slice of it, both as large as before by their names': {
    x: [1, 4, 11, 9],
    opset: 10,
    nodes: [
      node('Slice', ['x', 'starts', 'ends', 'axes'], ['s']),
      node('Mul', ['s', 'x'], ['m']),
      node('InstanceNormalization', ['m', 'scale', 'bias'], ['n']),
      node('Neg', ['m'], ['y']),
    ],
    outputs: ['n', 'y'],
    constants: {
      starts: list(10, 8),
      ends: list(11, 9),
      axes: list(2, 3),
      scale: floats([4], 2),
      bias: floats([4], 3),
    },
    cut: cut(2, [1, 1, 1, 1], true),
  },
  // Of one row the runtime takes the sums in another order. An element that is nearly half-way between two numbers of half
  // precision then becomes the one or the other.
  'a matrix product of one row, rounded to half precision': {
    x: [1, 4, 5, 12],
    opset: 13,
    nodes: [
      node('Transpose', ['x'], ['t'], { perm: ints(0, 1, 3, 2) }),
      node('MatMul', ['x', 't'], ['m']),
      node('Cast', ['m'], ['h'], { to: int(10) }),
      node('Cast', ['h'], ['y'], { to: int(1) }),
    ],
    outputs: ['y'],
    cut: cut(2, [1, 1, 1, 1, 1]),
    isRounded: true,
  },
};

function build({ x, opset, nodes, outputs, weights = {}, constants = {} }: CounterExample) {
  let offset = 0;
  const parts: Uint8Array[] = [];
  const laidOut = Object.entries(weights).map(([name, shape], index) => {
    const { bytes } = floats(shape, index);
    const weight = { type: 'float32' as DataType, shape, offset };
    parts.push(bytes);
    offset += bytes.byteLength;
    return [name, weight] as const;
  });
  const graph: Graph = graphOf(nodes, [value('x', ...x)], outputs, {
    opsets: { '': opset },
    weights: new Map(laidOut),
    constants: new Map(Object.entries(constants)),
  });
  return { graph, blob: Buffer.concat(parts), inputs: new Map([['x', floats(x, 1)]]) };
}

describe('cut equals whole, where it once did not', () => {
  let bench: Bench;
  before(() => {
    bench = openBench(createOnnxRuntimeKernel());
  });
  after(() => bench.close());

  for (const [name, found] of Object.entries(FOUND)) {
    it(`for ${name}`, async () => {
      const tally = emptyTally();
      await checkCase(bench, build(found), found.cut, tally);
      assert.equal(tally.refused, 0);
      const near = found.isRounded === true ? tally.close + tally.carried : isBitExact ? 0 : tally.close;
      assert.equal(tally.identical + near, 3 * found.outputs.length);
    });
  }
});
