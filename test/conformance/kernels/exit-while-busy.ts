/**
 * A process of its own that exits with code 3 in the middle of a run. Its arguments are the name of a kernel, and how many rows
 * the matrix has that it squares.
 */
import { KERNELS, type KernelName } from './ports.ts';
import { counting, never, node, program } from './programs.ts';

const [name, rows] = process.argv.slice(2);
const kernel = KERNELS[name as KernelName]({ lanes: 2 });
await kernel.prepare(program('product', [node('MatMul', ['x', 'x'], 'y')]), null, never());
const run = (size: number): Promise<unknown> =>
  kernel.run('product', new Map([['x', counting([1, 1, size, size])]]), never());
// The one takes eight times as long as the other, so it is under way when that has ended.
await Promise.race([run(Number(rows)), run(Number(rows) / 2)]);
process.exit(3);
