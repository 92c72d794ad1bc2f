/** What every kernel that is a pool of lanes has to do. Run once for each runtime. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Kernel } from '../../../kernels/kernel.ts';
import type { LaneWorker, SpawnWorker } from '../../../kernels/lanes/lane.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import type { Tensor } from '../../../src/core/tensor/tensor.ts';
import { isEmulated, ownNode } from '../../support/own-node.ts';
import type { KernelName } from './ports.ts';
import { counting, never, node, program, values } from './programs.ts';

const failsWith = (code: ErrorCode) => (error: unknown) => error instanceof MeshError && error.code === code;
const DOUBLE = program('double', [node('Add', ['x', 'x'], 'y')]);
/** Takes long enough for whatever is done next to find it running. */
const PRODUCT = program('product', [node('MatMul', ['x', 'x'], 'y')]);
const square = (): Map<string, Tensor> => new Map([['x', counting([1, 1, 1024, 1024])]]);
const pair = (): Map<string, Tensor> => new Map([['x', counting([1, 1, 1, 2])]]);

const TRAPPING = new URL('./trapping-worker.ts', import.meta.url);

export interface LaneOptions {
  readonly lanes?: number;
  readonly maxQueuedRuns?: number;
}

export function laneConformance(
  name: KernelName,
  makeKernel: (options: LaneOptions, spawn: SpawnWorker) => Kernel,
  spawn: SpawnWorker,
): void {
  describe(`lane conformance: ${name}`, () => {
    const opened: Kernel[] = [];
    const workers: LaneWorker[] = [];
    afterEach(async () => {
      for (const kernel of opened.splice(0)) await kernel.close();
      workers.length = 0;
    });

    async function open(options: LaneOptions = {}): Promise<Kernel> {
      const kernel = makeKernel(options, (setup) => {
        const worker = spawn(setup);
        workers.push(worker);
        return worker;
      });
      opened.push(kernel);
      await kernel.prepare(DOUBLE, null, never());
      await kernel.prepare(PRODUCT, null, never());
      return kernel;
    }

    /** With a first thread that prepares anything and traps at its first run. (Real ones must not be killed while they work.) */
    async function openFragile(): Promise<Kernel> {
      const kernel = makeKernel({}, (setup) => {
        const worker = workers.length === 0 ? new Worker(TRAPPING, setup) : spawn(setup);
        workers.push(worker);
        return worker;
      });
      opened.push(kernel);
      await kernel.prepare(DOUBLE, null, never());
      return kernel;
    }

    const doubled = async (kernel: Kernel): Promise<number[]> =>
      values((await kernel.run('double', pair(), never())).outputs.get('y'));

    it('refuses the run that exceeds its queue and takes more when there is room', async () => {
      const kernel = await open({ maxQueuedRuns: 1 });
      const running = doubled(kernel);
      const queued = doubled(kernel);
      await assert.rejects(kernel.run('double', pair(), never()), failsWith('OVERLOADED'));
      assert.deepEqual(await Promise.all([running, queued]), [
        [0, 2],
        [0, 2],
      ]);
      assert.deepEqual(await doubled(kernel), [0, 2]);
    });

    it('drops a queued run that is cancelled, which makes room', async () => {
      const kernel = await open({ maxQueuedRuns: 1 });
      const controller = new AbortController();
      const running = doubled(kernel);
      const queued = kernel.run('double', pair(), controller.signal);
      controller.abort();
      await assert.rejects(queued, failsWith('CANCELLED'));
      assert.deepEqual(await Promise.all([running, doubled(kernel)]), [
        [0, 2],
        [0, 2],
      ]);
    });

    it('gives up a running run at once and goes on with the next', async () => {
      const kernel = await open();
      const controller = new AbortController();
      const running = kernel.run('product', square(), controller.signal);
      controller.abort();
      await assert.rejects(running, failsWith('CANCELLED'));
      assert.deepEqual(await doubled(kernel), [0, 2]);
    });

    it('runs as many tiles at once as it has lanes', async () => {
      const kernel = await open({ lanes: 3 });
      const results = await Promise.all(Array.from({ length: 20 }, () => doubled(kernel)));
      assert.deepEqual(results, new Array(20).fill([0, 2]));
      assert.equal(workers.length, 3);
    });

    it('fails what a dying thread was doing, and runs prepared programs in another', async () => {
      const kernel = await openFragile();
      await assert.rejects(kernel.run('double', pair(), never()), failsWith('KERNEL_FAILED'));
      assert.deepEqual(await doubled(kernel), [0, 2]);
      assert.equal(workers.length, 2);
    });

    it('replaces a thread that died while nothing was running', async () => {
      const kernel = await openFragile();
      await (workers[0] as Worker).terminate();
      assert.deepEqual(await doubled(kernel), [0, 2]);
    });

    it('fails every run when it is closed, queued ones included', async () => {
      const kernel = await open();
      const runs = [1, 2, 3].map(() => kernel.run('product', square(), never()));
      const outcomes = Promise.allSettled(runs);
      await kernel.close();
      for (const outcome of await outcomes) {
        assert.equal(outcome.status, 'rejected');
        assert.ok(failsWith('KERNEL_FAILED')(outcome.reason));
      }
    });

    it('fails a preparation whose thread cannot start', async () => {
      const kernel = makeKernel({}, () => new Worker('throw new Error("no runtime")', { eval: true }));
      opened.push(kernel);
      await assert.rejects(kernel.prepare(DOUBLE, null, never()), failsWith('KERNEL_FAILED'));
    });

    it('lets a process that exits in the middle of a run end with its own code', function () {
      const script = fileURLToPath(new URL('./exit-while-busy.ts', import.meta.url));
      const [file, args] = ownNode(script, name, isEmulated ? '512' : '2048');
      const { status, signal, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: this.timeout() });
      assert.deepEqual([status, signal], [3, null], stderr);
    });

    it('names the operator and the reason when a program cannot be executed', async () => {
      const kernel = await open();
      const unknown = program('strange', [node('NoSuchOperator', ['x'], 'y')]);
      await assert.rejects(kernel.prepare(unknown, null, never()), /strange.*NoSuchOperator/s);
    });
  });
}
