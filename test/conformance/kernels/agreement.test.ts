/** Operator by operator: every kernel computes what the plain loops compute, on random shapes and attributes. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OPERATORS } from '../../../kernels/reference/operators.ts';
import { numberValues, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { OPERATOR_CASES } from './operator-cases/table.ts';
import { KERNELS, kernelNames } from './ports.ts';
import { runCase } from './run-case.ts';

/** Single precision, summed in another order, against double: of the largest value of the output. */
const TOLERANCE = 2e-5;

describe('agreement of the kernels', () => {
  const reference = KERNELS.reference();
  after(() => reference.close());

  it('is looked at for every operator of the reference kernel', () => {
    assert.deepEqual(Object.keys(OPERATOR_CASES).sort(), Object.keys(OPERATORS).sort());
  });

  for (const name of kernelNames.filter((name) => name !== 'reference')) {
    describe(`of ${name} with the reference`, () => {
      const kernel = KERNELS[name]();
      after(() => kernel.close());

      for (const [op, cases] of Object.entries(OPERATOR_CASES)) {
        it(`holds for ${op}`, () =>
          fc.assert(
            fc.asyncProperty(cases, async (subject) => {
              const [actual, expected] = await Promise.all(
                [kernel, reference].map((each) => runCase(each, { op, ...subject })),
              );
              assertClose(actual!, expected!);
            }),
            { numRuns: 12 },
          ));
      }
    });
  }
});

function assertClose(actual: Tensor, expected: Tensor): void {
  assert.deepEqual(actual.shape, expected.shape);
  const wanted = numberValues(expected);
  const scale = Math.max(1e-30, ...wanted.map(Math.abs).filter(Number.isFinite));
  for (const [index, value] of numberValues(actual).entries()) {
    const error = Object.is(value, wanted[index]) ? 0 : Math.abs(value - wanted[index]!) / scale;
    assert.ok(error <= TOLERANCE, `element ${index} is ${value} instead of ${wanted[index]}`);
  }
}
