/**
 * Every elementwise operator, with broadcasting, cut along every axis, gives bit for bit what it gives whole. One at a time, so
 * that those with poles and steps are among them, which would make more of a rounding than random graphs can bear.
 */
import assert from 'node:assert/strict';
import type { Kernel } from '../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { bindGraph } from '../../src/core/graph/bind.ts';
import type { Attribute, Graph, ValueInfo } from '../../src/core/graph/graph.ts';
import type { ModelId } from '../../src/core/ids.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import { elementCount, fromNumbers, type Shape, type Tensor } from '../../src/core/tensor/tensor.ts';
import { difference } from '../../src/core/compare.ts';
import { executePlan } from '../../src/verify/execute.ts';
import { cutPlan, wholePlan } from '../../src/verify/plans.ts';
import { graphOf, node } from '../unit/core/graph/small-graphs.ts';
import { int, text } from '../unit/core/ops/facts.ts';

const UNARY = [
  ...['Identity', 'Relu', 'LeakyRelu', 'Elu', 'Selu', 'Celu', 'Gelu', 'Mish', 'ThresholdedRelu', 'Clip', 'Shrink'],
  ...[
    'Sigmoid',
    'HardSigmoid',
    'HardSwish',
    'Tanh',
    'Softplus',
    'Softsign',
    'Erf',
    'Abs',
    'Neg',
    'Sign',
    'Ceil',
    'Floor',
  ],
  ...[
    'Round',
    'Reciprocal',
    'Sqrt',
    'Exp',
    'Log',
    'Sin',
    'Cos',
    'Tan',
    'Asin',
    'Acos',
    'Atan',
    'Sinh',
    'Cosh',
    'Asinh',
  ],
  ...['Acosh', 'Atanh', 'IsNaN', 'IsInf'],
] as const;
const BINARY = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Mean', 'Sum', 'PRelu'],
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'],
] as const;
const OTHERS: Readonly<Record<string, { readonly type: DataType; readonly attributes?: Record<string, Attribute> }>> = {
  And: { type: 'bool' },
  Or: { type: 'bool' },
  Xor: { type: 'bool' },
  Mod: { type: 'int64' },
  BitShift: { type: 'uint8', attributes: { direction: text('LEFT') } },
  BitwiseAnd: { type: 'uint8' },
  BitwiseOr: { type: 'uint8' },
  BitwiseXor: { type: 'uint8' },
};
const INVERSIONS: Readonly<Record<string, DataType>> = { Not: 'bool', BitwiseNot: 'uint8' };
const OPSET = 20;

const FULL: Shape = [2, 4, 5, 7];
/** All broadcast to it. */
const OPERANDS: readonly Shape[] = [FULL, [4, 1, 7], [5, 1], [1], [2, 1, 1, 1], []];

function drawn(type: DataType, shape: Shape, seed: number): Tensor {
  const values = Array.from({ length: elementCount(shape) }, (_, index) => {
    const wave = Math.sin(index * 1.7 + seed);
    if (type === 'float32') return 2.5 * wave;
    return type === 'bool' ? Number(wave > 0) : 1 + Math.round(Math.abs(wave) * 6);
  });
  return fromNumbers(type, shape, values);
}

describe('an elementwise operator, cut along every axis', () => {
  let kernel: Kernel;
  before(() => {
    kernel = createOnnxRuntimeKernel();
  });
  after(() => kernel.close());

  async function cutsEqualWhole(
    op: string,
    tensors: readonly Tensor[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Promise<void> {
    const inputs = new Map(tensors.map((own, index) => [`x${index}`, own]));
    const infos = [...inputs].map(([name, { type, shape }]): ValueInfo => ({ name, type, dims: shape }));
    const graph: Graph = graphOf([node(op, [...inputs.keys()], ['y'], attributes)], infos, ['y'], {
      opsets: { '': OPSET },
    });
    const bound = bindGraph(graph, inputs);
    const modelId = 'a'.repeat(64) as ModelId;
    const run = (plan: ReturnType<typeof wholePlan>) =>
      executePlan({ bound, plan, kernel, weights: null, inputs, signal: AbortSignal.timeout(10_000) });
    const whole = (await run(wholePlan(bound, modelId))).get('y')!;
    for (const axis of FULL.keys()) {
      const plan = cutPlan({ bound, modelId, cut: { axes: [axis], counts: [2] }, blocks: 'atoms', weights: [1, 2] });
      assert.equal(plan.blocks[0]!.parts.length, 2, `axis ${axis} is not cut`);
      const apart = difference(whole, (await run(plan)).get('y')!);
      // The runtime computes the last elements of a run of some functions otherwise than the others.
      assert.ok(apart.isIdentical || apart.maxRel <= 5e-7, `axis ${axis}: off by ${apart.maxRel}`);
    }
  }

  for (const op of UNARY) {
    it(`equals the whole: ${op}`, () => cutsEqualWhole(op, [drawn('float32', FULL, 1)]));
  }

  for (const op of BINARY) {
    it(`equals the whole, with every shape that broadcasts: ${op}`, async () => {
      for (const shape of OPERANDS) await cutsEqualWhole(op, [drawn('float32', FULL, 1), drawn('float32', shape, 2)]);
    });
  }

  for (const [op, { type, attributes }] of Object.entries(OTHERS)) {
    it(`equals the whole, with every shape that broadcasts: ${op}`, async () => {
      for (const shape of OPERANDS) await cutsEqualWhole(op, [drawn(type, FULL, 1), drawn(type, shape, 2)], attributes);
    });
  }

  for (const [op, type] of Object.entries(INVERSIONS)) {
    it(`equals the whole: ${op}`, () => cutsEqualWhole(op, [drawn(type, FULL, 1)]));
  }

  it('equals the whole, with every shape that broadcasts: Where', async () => {
    for (const shape of OPERANDS) {
      await cutsEqualWhole('Where', [drawn('bool', shape, 3), drawn('float32', FULL, 1), drawn('float32', shape, 2)]);
    }
  });

  it('equals the whole, to every type: Cast', async () => {
    for (const type of [2, 3, 6, 7, 9, 10, 11]) {
      await cutsEqualWhole('Cast', [drawn('float32', FULL, 1)], { to: int(type) });
    }
  });
});
