/** Operator by operator: ONNX Runtime computes what the plain loops compute, on random shapes and attributes. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Kernel } from '../../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { createReferenceKernel } from '../../../kernels/reference/kernel.ts';
import { OPERATORS } from '../../../kernels/reference/operators.ts';
import { numberValues } from '../../../src/core/tensor/tensor.ts';
import { OPERATOR_CASES } from './operator-cases/table.ts';
import { runCase } from './run-case.ts';

/** Single precision, summed in another order, against double: of the largest value of the output. */
const TOLERANCE = 2e-5;

describe('agreement of the kernels', () => {
  const kernels: readonly Kernel[] = [createOnnxRuntimeKernel(), createReferenceKernel()];
  after(async () => {
    for (const kernel of kernels) await kernel.close();
  });

  it('is looked at for every operator of the reference kernel', () => {
    assert.deepEqual(Object.keys(OPERATOR_CASES).sort(), Object.keys(OPERATORS).sort());
  });

  for (const [op, cases] of Object.entries(OPERATOR_CASES)) {
    it(`holds for ${op}`, async () => {
      await fc.assert(
        fc.asyncProperty(cases, async (subject) => {
          const [actual, expected] = await Promise.all(kernels.map((kernel) => runCase(kernel, { op, ...subject })));
          assert.deepEqual(actual!.shape, expected!.shape);
          const wanted = numberValues(expected!);
          const scale = Math.max(1e-30, ...wanted.map(Math.abs).filter(Number.isFinite));
          for (const [index, value] of numberValues(actual!).entries()) {
            const error = Object.is(value, wanted[index]) ? 0 : Math.abs(value - wanted[index]!) / scale;
            assert.ok(error <= TOLERANCE, `element ${index} is ${value} instead of ${wanted[index]}`);
          }
        }),
        { numRuns: 12 },
      );
    });
  }
});
