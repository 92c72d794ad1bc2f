/** A process of its own that exits with code 3 in the middle of a run. */
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { counting, never, node, program } from './programs.ts';

const kernel = createOnnxRuntimeKernel({ lanes: 2 });
await kernel.prepare(program('product', [node('MatMul', ['x', 'x'], 'y')]), null, never());
const run = (size: number): Promise<unknown> =>
  kernel.run('product', new Map([['x', counting([1, 1, size, size])]]), never());
// The one takes eight times as long as the other, so it is under way when that has ended.
await Promise.race([run(2048), run(1024)]);
process.exit(3);
