/**
 * Operator by operator: what ONNX Runtime computes in half precision is what it computes in single precision of the same
 * numbers, rounded. Its CPU kernels take most operators in single precision only; it puts casts around those.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Kernel } from '../../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { HALF_EPSILON } from '../../../src/core/tensor/half.ts';
import { converted, numberValues, type Tensor } from '../../../src/core/tensor/tensor.ts';
import type { Case, OperatorCase } from './operator-cases/drawing.ts';
import { OPERATOR_CASES } from './operator-cases/table.ts';
import { runCase } from './run-case.ts';

/** One rounding is half a step; operators that have kernels of their own for half precision may add one. */
const TOLERANCE = HALF_EPSILON;

/** Scales of a Resize are single precision whatever the data is. */
const isSingle = (op: string): boolean => op === 'Resize' || op === 'Upsample';

/** Takes single precision only: layers in half precision are not replaced by it. */
const SINGLE_ONLY: ReadonlySet<string> = new Set(['WinogradConv']);

const halfOf = (source: Tensor): Tensor => (source.type === 'float32' ? converted(source, 'float16') : source);

function halved(op: string, subject: Case): OperatorCase {
  const { constants = [], attributes = {} } = subject;
  return {
    ...subject,
    op,
    inputs: subject.inputs.map(halfOf),
    constants: isSingle(op) ? constants : constants.map(halfOf),
    attributes: Object.fromEntries(
      Object.entries(attributes).map(([name, attribute]) => [
        name,
        attribute.kind === 'tensor' ? { kind: 'tensor', value: halfOf(attribute.value) } : attribute,
      ]),
    ),
  };
}

/** The same numbers in single precision: those that half precision has. */
function single(subject: OperatorCase): OperatorCase {
  const back = (source: Tensor): Tensor => (source.type === 'float16' ? converted(source, 'float32') : source);
  return {
    ...subject,
    inputs: subject.inputs.map(back),
    constants: (subject.constants ?? []).map(back),
    attributes: Object.fromEntries(
      Object.entries(subject.attributes ?? {}).map(([name, attribute]) => [
        name,
        attribute.kind === 'tensor' ? { kind: 'tensor', value: back(attribute.value) } : attribute,
      ]),
    ),
  };
}

describe('operators in half precision, in ONNX Runtime', () => {
  let kernel: Kernel;
  before(() => {
    kernel = createOnnxRuntimeKernel();
  });
  after(() => kernel.close());

  for (const [op, cases] of Object.entries(OPERATOR_CASES).filter(([name]) => !SINGLE_ONLY.has(name))) {
    it(`are single precision rounded: ${op}`, async () => {
      await fc.assert(
        fc.asyncProperty(cases, async (drawn) => {
          const half = halved(op, drawn);
          const actual = await runCase(kernel, half, 'float16');
          const expected = await runCase(kernel, single(half));
          assert.equal(actual.type, op === 'Cast' ? 'int64' : 'float16');
          assert.deepEqual(actual.shape, expected.shape);
          const wanted = numberValues(expected);
          const scale = Math.max(1e-4, ...wanted.map(Math.abs).filter(Number.isFinite));
          for (const [index, value] of numberValues(actual).entries()) {
            const error = Object.is(value, wanted[index]) ? 0 : Math.abs(value - wanted[index]!) / scale;
            assert.ok(error <= TOLERANCE, `element ${index} is ${value} instead of ${wanted[index]}`);
          }
        }),
        { numRuns: 12 },
      );
    });
  }
});
