/** Networks of which the shapes do not go together end in an error that names the operator, and in no answer. */
import assert from 'node:assert/strict';
import type { Kernel } from '../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { bindGraph } from '../../src/core/graph/bind.ts';
import { MeshError, type ErrorCode } from '../../src/core/errors.ts';
import type { Graph, Node } from '../../src/core/graph/graph.ts';
import type { ModelId } from '../../src/core/ids.ts';
import { fromFloat32, type Shape, type Tensor } from '../../src/core/tensor/tensor.ts';
import { executePlan } from '../../src/verify/execute.ts';
import { cutPlan, wholePlan } from '../../src/verify/plans.ts';
import { graphOf, node, value } from '../unit/core/graph/small-graphs.ts';
import { int, ints, list } from '../unit/core/ops/facts.ts';
import { floats } from '../property/draft.ts';

interface Wrong {
  readonly subject: Node;
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly x?: Shape;
}

const ones = (...shape: number[]): Tensor => floats(shape, 1);

const WRONG: Readonly<Record<string, Wrong>> = {
  'a convolution of other channels': { subject: node('Conv', ['x', 'w'], ['y']), constants: { w: ones(2, 3, 3, 3) } },
  'groups that do not divide the channels': {
    subject: node('Conv', ['x', 'w'], ['y'], { group: int(3) }),
    constants: { w: ones(3, 1, 3, 3) },
  },
  'a kernel shape that the weight has not': {
    subject: node('Conv', ['x', 'w'], ['y'], { kernel_shape: ints(5, 5) }),
    constants: { w: ones(2, 4, 3, 3) },
  },
  'a weight of too few axes': { subject: node('Conv', ['x', 'w'], ['y']), constants: { w: ones(2, 4, 3) } },
  'a stride of nothing': {
    subject: node('Conv', ['x', 'w'], ['y'], { strides: ints(0, 1) }),
    constants: { w: ones(2, 4, 3, 3) },
  },
  'negative padding that leaves nothing': {
    subject: node('MaxPool', ['x'], ['y'], { kernel_shape: ints(2, 2), pads: ints(-9, 0, 0, 0) }),
  },
  'factors that do not fit': { subject: node('MatMul', ['x', 'w'], ['y']), constants: { w: ones(5, 2) } },
  'a dense layer of other features': {
    subject: node('Gemm', ['x', 'w'], ['y']),
    constants: { w: ones(5, 2) },
    x: [2, 8],
  },
  'operands that do not broadcast': { subject: node('Add', ['x', 'w'], ['y']), constants: { w: ones(1, 3, 1, 1) } },
  'parts that cannot be joined': {
    subject: node('Concat', ['x', 'w'], ['y'], { axis: int(1) }),
    constants: { w: ones(1, 4, 6, 5) },
  },
  'another number of elements': { subject: node('Reshape', ['x', 's'], ['y']), constants: { s: list(3, 7) } },
  'an axis that is not there': { subject: node('Softmax', ['x'], ['y'], { axis: int(9) }) },
  'an order that is none': { subject: node('Transpose', ['x'], ['y'], { perm: ints(0, 0, 1, 2) }) },
  'indices beyond the table': {
    subject: node('Gather', ['x', 's'], ['y'], { axis: int(1) }),
    constants: { s: list(99) },
  },
  'sizes that do not add up': {
    subject: node('Split', ['x', 's'], ['y', 'z'], { axis: int(1) }),
    constants: { s: list(1, 1) },
  },
  'a padding beyond absurd': {
    subject: node('Pad', ['x', 's'], ['y']),
    constants: { s: list(0, 0, 2 ** 40, 0, 0, 0, 2 ** 40, 0) },
  },
  'statistics of other channels': {
    subject: node('BatchNormalization', ['x', 'w', 'w', 'w', 'w'], ['y']),
    constants: { w: ones(3) },
  },
};

const REFUSALS: readonly ErrorCode[] = ['INVALID_MODEL', 'INVALID_INPUT', 'KERNEL_FAILED'];

describe('a network whose shapes do not go together', () => {
  let kernel: Kernel;
  before(() => {
    kernel = createOnnxRuntimeKernel();
  });
  after(() => kernel.close());

  for (const [what, { subject, constants = {}, x = [1, 4, 6, 8] }] of Object.entries(WRONG)) {
    it(`is refused by the name of its operator, whole and cut: ${what}`, async () => {
      const graph: Graph = graphOf([subject], [value('x', ...x)], ['y'], {
        constants: new Map(Object.entries(constants)),
      });
      const inputs = new Map([['x', fromFloat32(x, new Float32Array(x.reduce((a, b) => a * b)))]]);
      const modelId = 'a'.repeat(64) as ModelId;
      for (const isCut of [false, true]) {
        const answer = async (): Promise<unknown> => {
          const bound = bindGraph(graph, inputs);
          const plan = isCut
            ? cutPlan({ bound, modelId, cut: { axes: [x.length - 1], counts: [2] }, blocks: 'atoms' })
            : wholePlan(bound, modelId);
          return executePlan({ bound, plan, kernel, weights: null, inputs, signal: AbortSignal.timeout(10_000) });
        };
        await assert.rejects(answer(), (error) => {
          assert.ok(error instanceof MeshError && REFUSALS.includes(error.code), String(error));
          assert.ok(error.message.includes(subject.name), error.message);
          return true;
        });
      }
    });
  }
});
