/** How fast one whole core of this machine is, from which the speed of a share follows. */
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { measureSpeed } from '../../kernels/profile.ts';

const SPEED_MEASUREMENTS = 5;

/** Multiply-accumulates per second of one whole core, the best of several measurements. */
export async function measureCoreSpeed(signal: AbortSignal): Promise<number> {
  const kernel = createOnnxRuntimeKernel({ lanes: 1, threadsPerLane: 1 });
  try {
    const speeds: number[] = [];
    while (speeds.length < SPEED_MEASUREMENTS) speeds.push(await measureSpeed(kernel, signal));
    return Math.max(...speeds);
  } finally {
    await kernel.close();
  }
}
