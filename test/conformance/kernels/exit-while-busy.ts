/** A process of its own that exits with code 3 in the middle of a run. */
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { counting, never, node, program } from './programs.ts';

const kernel = createOnnxRuntimeKernel({ lanes: 2 });
await kernel.prepare(program('product', [node('MatMul', ['x', 'x'], 'y')]), null, never());
const run = (): Promise<unknown> => kernel.run('product', new Map([['x', counting([1, 1, 1024, 1024])]]), never());
await Promise.race([run(), run(), run(), run()]);
process.exit(3);
