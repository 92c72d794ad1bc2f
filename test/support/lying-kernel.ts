/** Kernels whose answers are not what they computed. */
import type { Kernel } from '../../kernels/kernel.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';

/** @param spoil changes a copy of an output; `run` counts the runs from 0. */
export function spoilingKernel(
  kernel: Kernel,
  spoil: (values: DataView, run: number, outputs: ReadonlyMap<string, Tensor>) => void,
): Kernel {
  let runs = 0;
  return {
    name: 'liar',
    memoryBytes: kernel.memoryBytes,
    prepare: (...parameters) => kernel.prepare(...parameters),
    release: (key) => kernel.release(key),
    close: () => Promise.resolve(),
    run: async (key, inputs, signal) => {
      const run = await kernel.run(key, inputs, signal);
      const number = runs++;
      const outputs = [...run.outputs].map(([name, output]) => {
        const bytes = output.bytes.slice();
        spoil(new DataView(bytes.buffer), number, run.outputs);
        return [name, { ...output, bytes }] as const;
      });
      return { ...run, outputs: new Map(outputs) };
    },
  };
}

/**
 * A kernel whose first answer is right, and every later one off in its first element.
 * @param value what stands there then, in single precision.
 */
export const lyingKernel = (kernel: Kernel, value: number): Kernel =>
  spoilingKernel(kernel, (values, run) => {
    if (run > 0) values.setFloat32(0, value, true);
  });
