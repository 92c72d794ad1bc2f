/** A kernel whose first answer is right, and every later one off in its first element. */
import type { Kernel } from '../../kernels/kernel.ts';

/** @param value what stands there then, in single precision. */
export function lyingKernel(kernel: Kernel, value: number): Kernel {
  let runs = 0;
  return {
    name: 'liar',
    memoryBytes: kernel.memoryBytes,
    prepare: (...parameters) => kernel.prepare(...parameters),
    release: (key) => kernel.release(key),
    close: () => Promise.resolve(),
    run: async (key, inputs, signal) => {
      const run = await kernel.run(key, inputs, signal);
      if (runs++ === 0) return run;
      const spoilt = [...run.outputs].map(([name, output]) => {
        const bytes = output.bytes.slice();
        new DataView(bytes.buffer).setFloat32(0, value, true);
        return [name, { ...output, bytes }] as const;
      });
      return { ...run, outputs: new Map(spoilt) };
    },
  };
}
