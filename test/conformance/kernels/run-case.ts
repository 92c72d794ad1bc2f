/** One operator, run by itself. */
import type { Kernel } from '../../../kernels/kernel.ts';
import type { DataType } from '../../../src/core/tensor/data-type.ts';
import type { Tensor } from '../../../src/core/tensor/tensor.ts';
import type { OperatorCase } from './operator-cases/drawing.ts';
import { copyOf, never, node, program } from './programs.ts';

/** @param real element type of the result, but for Cast, which the cases cast to int64. */
export async function runCase(
  kernel: Kernel,
  { op, domain = '', inputs, constants, attributes, opset, label }: OperatorCase,
  real: DataType = 'float32',
): Promise<Tensor> {
  const names = [...inputs.map((_, index) => `x${index}`), ...(constants ?? []).map((_, index) => `c${index}`)];
  const subject = program(`${op} ${real} ${label ?? ''}`, [{ ...node(op, names, 'y', attributes), domain }], {
    opsets: { '': opset ?? 13 },
    feeds: inputs.map(({ type, shape }, index) => ({ name: `x${index}`, type, rank: shape.length })),
    constants: new Map((constants ?? []).map((constant, index) => [`c${index}`, constant])),
    outputs: [{ name: 'y', type: op === 'Cast' ? 'int64' : real }],
  });
  await kernel.prepare(subject, null, never());
  try {
    const feeds = new Map(inputs.map((input, index) => [`x${index}`, copyOf(input)]));
    return (await kernel.run(subject.key, feeds, never())).outputs.get('y')!;
  } finally {
    await kernel.release(subject.key);
  }
}
