/** What the kernel in WebAssembly does about the 4 GiB that a lane has. */
import assert from 'node:assert/strict';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel } from '../../../kernels/kernel.ts';
import { createWasmKernel } from '../../../kernels/wasm/kernel.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import { wholeRegion } from '../../../src/core/geometry/region.ts';
import type { Program } from '../../../src/core/program/program.ts';
import { fromInt64 } from '../../../src/core/tensor/tensor.ts';
import { counting, never, node, program, values } from './programs.ts';

const failsWith = (code: ErrorCode) => (error: unknown) => error instanceof MeshError && error.code === code;

const DOUBLE = program('double', [node('Add', ['x', 'x'], 'y')]);
const WEIGHT = [192, 1024, 256];
const WEIGHT_BYTES = 192 * 2 ** 20;

describe('memory of the wasm kernel', function () {
  this.timeout(Math.max(this.timeout(), 120_000));
  let kernel: Kernel;
  let folder: string;
  let path: string;

  before(async () => {
    kernel = createWasmKernel();
    await kernel.prepare(DOUBLE, null, never());
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-wasm-'));
    path = join(folder, 'weights.bin');
    const file = await open(path, 'w');
    await file.truncate(WEIGHT_BYTES);
    await file.close();
  });

  after(async () => {
    await kernel.close();
    await rm(folder, { recursive: true });
  });

  const works = async (): Promise<void> => {
    const { outputs } = await kernel.run('double', new Map([['x', counting([1, 1, 1, 2])]]), never());
    assert.deepEqual(values(outputs.get('y')), [0, 2]);
  };

  it('fails a run that does not fit, and goes on', async () => {
    const expand = program('expand', [node('Expand', ['x', 'shape'], 'y')], {
      parameters: [{ name: 'shape', type: 'int64', rank: 1 }],
    });
    await kernel.prepare(expand, null, never());
    const inputs = new Map([
      ['x', counting([1, 1, 1, 1])],
      ['shape', fromInt64([4], [1, 1073, 1000, 1000])],
    ]);
    await assert.rejects(kernel.run('expand', inputs, never()), failsWith('KERNEL_FAILED'));
    await works();
  });

  it('has room again for what was released: 4.5 GiB of weights, one program after the other', async () => {
    for (let index = 0; index < 24; index++) {
      const region = wholeRegion(WEIGHT);
      const heavy: Program = program(`heavy ${index}`, [node('Add', ['x', 'w'], 'y')], {
        feeds: [{ name: 'x', type: 'float32' }],
        weights: new Map([['w', { weight: 'w', type: 'float32', shape: WEIGHT, offset: 0, region }]]),
      });
      await kernel.prepare(heavy, { path }, never());
      await kernel.release(heavy.key);
    }
    await works();
  });
});
