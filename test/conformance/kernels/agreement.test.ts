/** Operator by operator: every kernel computes what the plain loops compute, on random shapes and attributes. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Kernel } from '../../../kernels/kernel.ts';
import { OPERATORS } from '../../../kernels/reference/operators.ts';
import type { Tensor } from '../../../src/core/tensor/tensor.ts';
import { numberValues } from '../../../src/core/tensor/tensor.ts';
import type { OperatorCase } from './operator-cases/drawing.ts';
import { OPERATOR_CASES } from './operator-cases/table.ts';
import { KERNELS, kernelNames } from './ports.ts';
import { copyOf, never, node, program } from './programs.ts';

/** Single precision, summed in another order, against double: of the largest value of the output. */
const TOLERANCE = 2e-5;

describe('agreement of the kernels', () => {
  const reference = KERNELS.reference();
  after(() => reference.close());

  async function compute(
    kernel: Kernel,
    { op, domain = '', inputs, constants, attributes, opset, label }: OperatorCase,
  ): Promise<Tensor> {
    const names = [...inputs.map((_, index) => `x${index}`), ...(constants ?? []).map((_, index) => `c${index}`)];
    const subject = program(`${op} ${label ?? ''}`, [{ ...node(op, names, 'y', attributes), domain }], {
      opsets: { '': opset ?? 13 },
      feeds: inputs.map(({ type, shape }, index) => ({ name: `x${index}`, type, rank: shape.length })),
      constants: new Map((constants ?? []).map((constant, index) => [`c${index}`, constant])),
      outputs: [{ name: 'y', type: op === 'Cast' ? 'int64' : 'float32' }],
    });
    await kernel.prepare(subject, null, never());
    try {
      const feeds = new Map(inputs.map((input, index) => [`x${index}`, copyOf(input)]));
      return (await kernel.run(subject.key, feeds, never())).outputs.get('y')!;
    } finally {
      await kernel.release(subject.key);
    }
  }

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
                [kernel, reference].map((each) => compute(each, { op, ...subject })),
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
