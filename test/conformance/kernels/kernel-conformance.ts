/** What every kernel has to do, whatever it is made of. Run once for each implementation of the port. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel } from '../../../kernels/kernel.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import { wholeRegion, type Region } from '../../../src/core/geometry/region.ts';
import { padNode } from '../../support/pad-node.ts';
import type { Program, WeightSlice } from '../../../src/core/program/program.ts';
import { fromFloat32, fromInt64, type Shape, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { copyOf, counting, ints, never, node, numbers, program, values } from './programs.ts';

const failsWith = (code: ErrorCode) => (error: unknown) => error instanceof MeshError && error.code === code;

const DOUBLE = program('double', [node('Add', ['x', 'x'], 'y')]);

export function kernelConformance(name: string, makeKernel: () => Kernel): void {
  describe(`kernel conformance: ${name}`, () => {
    let kernel: Kernel;
    before(() => {
      kernel = makeKernel();
    });
    after(() => kernel.close());

    const runOf = async (subject: Program, inputs: Readonly<Record<string, Tensor>>): Promise<Tensor> => {
      await kernel.prepare(subject, null, never());
      const { outputs } = await kernel.run(subject.key, new Map(Object.entries(inputs)), never());
      return outputs.get('y')!;
    };

    describe('life cycle', () => {
      it('runs what was prepared and says how long it computed', async () => {
        await kernel.prepare(DOUBLE, null, never());
        const { outputs, computeMs } = await kernel.run('double', new Map([['x', counting([1, 1, 2, 2])]]), never());
        assert.deepEqual([...outputs.keys()], ['y']);
        assert.deepEqual(outputs.get('y')!.shape, [1, 1, 2, 2]);
        assert.deepEqual(values(outputs.get('y')), [0, 2, 4, 6]);
        assert.ok(computeMs >= 0);
      });

      it('prepares the same key again for nothing, also while it is being prepared', async () => {
        await Promise.all([kernel.prepare(DOUBLE, null, never()), kernel.prepare(DOUBLE, null, never())]);
        assert.deepEqual(values(await runOf(DOUBLE, { x: counting([1, 1, 1, 2]) })), [0, 2]);
      });

      it('refuses to run what was never prepared', async () => {
        await assert.rejects(kernel.run('unheard of', new Map(), never()), failsWith('KERNEL_FAILED'));
      });

      it('forgets what was released, ignores unknown keys, and can prepare it again', async () => {
        await kernel.prepare(DOUBLE, null, never());
        await kernel.release('double');
        await kernel.release('double');
        await kernel.release('unheard of');
        await assert.rejects(
          kernel.run('double', new Map([['x', counting([1, 1, 1, 1])]]), never()),
          failsWith('KERNEL_FAILED'),
        );
        assert.deepEqual(values(await runOf(DOUBLE, { x: counting([1, 1, 1, 2]) })), [0, 2]);
      });

      it('does nothing more after it was closed, and can be closed twice', async () => {
        const other = makeKernel();
        await other.prepare(DOUBLE, null, never());
        await other.close();
        await other.close();
        await assert.rejects(other.prepare(DOUBLE, null, never()), failsWith('KERNEL_FAILED'));
        await assert.rejects(other.run('double', new Map(), never()), failsWith('KERNEL_FAILED'));
      });
    });

    describe('errors', () => {
      it('calls a program that it cannot execute an invalid model', async () => {
        const unknown = program('unknown', [node('NoSuchOperator', ['x'], 'y')]);
        await assert.rejects(kernel.prepare(unknown, null, never()), failsWith('INVALID_MODEL'));
        await assert.rejects(kernel.prepare(unknown, null, never()), failsWith('INVALID_MODEL'));
      });

      it('fails a run without one of its inputs, with one of the wrong rank or type, or that do not go together', async () => {
        const sum = program('sum', [node('Add', ['x', 'z'], 'y')], {
          feeds: ['x', 'z'].map((feed) => ({ name: feed, type: 'float32', rank: 2 })),
        });
        await kernel.prepare(sum, null, never());
        const fit = counting([2, 3]);
        for (const z of [undefined, counting([6]), fromInt64([2, 3], [1, 2, 3, 4, 5, 6]), counting([2, 2])]) {
          const inputs = new Map([['x', copyOf(fit)], ...(z === undefined ? [] : ([['z', z]] as const))]);
          await assert.rejects(kernel.run('sum', inputs, never()), failsWith('KERNEL_FAILED'));
        }
        assert.deepEqual(values(await runOf(sum, { x: counting([1, 2]), z: counting([1, 2]) })), [0, 2]);
      });
    });

    describe('cancellation', () => {
      it('neither prepares nor runs when the signal is up already', async () => {
        await assert.rejects(kernel.prepare(DOUBLE, null, AbortSignal.abort()), failsWith('CANCELLED'));
        await kernel.prepare(DOUBLE, null, never());
        await assert.rejects(
          kernel.run('double', new Map([['x', counting([1, 1, 1, 1])]]), AbortSignal.abort()),
          failsWith('CANCELLED'),
        );
      });

      it('is as good as new after a cancelled preparation', async () => {
        const controller = new AbortController();
        const quick = program('quick', [node('Neg', ['x'], 'y')]);
        const preparing = kernel.prepare(quick, null, controller.signal);
        controller.abort();
        await assert.rejects(preparing, failsWith('CANCELLED'));
        assert.deepEqual(values(await runOf(quick, { x: counting([1, 1, 1, 2]) })), [-0, -1]);
      });
    });

    describe('buffers', () => {
      it('leaves alone what lies beside an input in the same buffer', async () => {
        const large = numbers(16, 1);
        const before = Float32Array.from(large);
        const view = large.subarray(4, 8);
        const result = await runOf(DOUBLE, { x: fromFloat32([1, 1, 2, 2], view) });
        assert.deepEqual(
          values(result),
          Array.from(before.subarray(4, 8), (value) => 2 * value),
        );
        assert.deepEqual(large, before);
      });

      it('takes inputs that start at odd addresses and inputs that share a buffer', async () => {
        const sum = program('sum', [node('Add', ['x', 'z'], 'y')], {
          feeds: ['x', 'z'].map((feed) => ({ name: feed, type: 'float32', rank: 2 })),
        });
        const bytes = new Uint8Array(9);
        bytes.set(counting([1, 2]).bytes, 1);
        const odd: Tensor = { type: 'float32', shape: [1, 2], bytes: bytes.subarray(1) };
        assert.deepEqual(values(await runOf(sum, { x: odd, z: odd })), [0, 2]);
        const shared = counting([1, 2]);
        assert.deepEqual(values(await runOf(sum, { x: shared, z: shared })), [0, 2]);
      });

      it('gives every run outputs of its own', async () => {
        const first = await runOf(DOUBLE, { x: counting([1, 1, 1, 4]) });
        const second = await runOf(DOUBLE, { x: counting([1, 1, 1, 4]) });
        first.bytes.fill(255);
        assert.deepEqual(values(second), [0, 2, 4, 6]);
      });

      it('hands on an input that becomes an output as it is', async () => {
        const pass = program('pass', [node('Identity', ['x'], 'y'), node('Flatten', ['x'], 'z')], {
          outputs: ['y', 'z'].map((output) => ({ name: output, type: 'float32' })),
        });
        await kernel.prepare(pass, null, never());
        const { outputs } = await kernel.run('pass', new Map([['x', counting([1, 2, 1, 2])]]), never());
        assert.deepEqual(values(outputs.get('y')), [0, 1, 2, 3]);
        assert.deepEqual(values(outputs.get('z')), [0, 1, 2, 3]);
        assert.deepEqual(outputs.get('z')!.shape, [1, 4]);
      });

      it('takes tensors without elements', async () => {
        const result = await runOf(DOUBLE, { x: counting([1, 3, 0, 5]) });
        assert.deepEqual(result.shape, [1, 3, 0, 5]);
        assert.equal(result.bytes.byteLength, 0);
      });
    });

    describe('one program for many tiles', () => {
      const blur = program('blur', [node('Conv', ['x', 'w'], 'y', { pads: ints([1, 1, 1, 1]) })], {
        constants: new Map([['w', fromFloat32([1, 1, 3, 3], new Float32Array(9).fill(1))]]),
      });

      it('runs at any height and width', async () => {
        for (const shape of [
          [1, 1, 1, 1],
          [1, 1, 2, 5],
          [1, 1, 7, 3],
          [2, 1, 2, 2],
        ]) {
          const result = await runOf(blur, { x: counting(shape) });
          assert.deepEqual(result.shape, shape);
        }
        assert.deepEqual(values(await runOf(blur, { x: counting([1, 1, 2, 2]) })), [6, 6, 6, 6]);
      });

      it('takes a shape as a parameter', async () => {
        const shaped = program('shaped', [node('Reshape', ['x', 'shape'], 'y')], {
          parameters: [{ name: 'shape', type: 'int64', rank: 1 }],
        });
        const result = await runOf(shaped, { x: counting([1, 2, 3, 2]), shape: fromInt64([2], [4, -1]) });
        assert.deepEqual(result.shape, [4, 3]);
      });

      for (const opset of [7, 9, 11, 13, 18]) {
        it(`pads by parameters, and crops where they are negative (operator set ${opset})`, async () => {
          const { node: pad, opsets } = padNode({ name: 'p', input: 'x', pads: 'pads', fill: 0, output: 'y', opset });
          const padded = program(`pad-${opset}`, [pad], {
            opsets: { '': opset, ...opsets },
            parameters: [{ name: 'pads', type: 'int64', rank: 1 }],
          });
          const padBy = async (amounts: readonly number[]): Promise<Tensor> =>
            runOf(padded, { x: counting([1, 1, 2, 3]), pads: fromInt64([8], amounts) });

          assert.deepEqual(values(await padBy([0, 0, 0, 0, 0, 0, 0, 0])), [0, 1, 2, 3, 4, 5]);
          const wider = await padBy([0, 0, 0, 1, 0, 0, 1, 0]);
          assert.deepEqual(wider.shape, [1, 1, 3, 4]);
          assert.deepEqual(values(wider), [0, 0, 1, 2, 0, 3, 4, 5, 0, 0, 0, 0]);
          const cropped = await padBy([0, 0, -1, -1, 0, 0, 0, -1]);
          assert.deepEqual(cropped.shape, [1, 1, 1, 1]);
          assert.deepEqual(values(cropped), [4]);
          const both = await padBy([0, 0, -1, 1, 0, 0, 1, -1]);
          assert.deepEqual(both.shape, [1, 1, 2, 3]);
          assert.deepEqual(values(both), [0, 3, 4, 0, 0, 0]);
        });

        it(`pads a maximum with what is below all else (operator set ${opset})`, async () => {
          const {
            node: pad,
            opsets,
            constants,
          } = padNode({
            name: 'p',
            input: 'x',
            pads: 'pads',
            fill: -Infinity,
            output: 'padded',
            opset,
          });
          const pooled = program(
            `pool-${opset}`,
            [pad, node('MaxPool', ['padded'], 'y', { kernel_shape: ints([2, 2]) })],
            {
              opsets: { '': opset, ...opsets },
              constants,
              parameters: [{ name: 'pads', type: 'int64', rank: 1 }],
            },
          );
          const x = fromFloat32([1, 1, 1, 2], [-5, -7]);
          const result = await runOf(pooled, { x, pads: fromInt64([8], [0, 0, 1, 1, 0, 0, 0, 0]) });
          assert.deepEqual(values(result), [-5, -5]);
        });
      }
    });

    describe('weights', () => {
      const shape = [4, 3, 2];
      const offset = 7;
      const elements = counting(shape);
      let folder: string;
      let path: string;
      before(async () => {
        folder = await mkdtemp(join(tmpdir(), 'tilemesh-kernel-'));
        path = join(folder, 'weights.bin');
        await writeFile(path, Buffer.concat([new Uint8Array(offset), elements.bytes]));
      });
      after(() => rm(folder, { recursive: true }));

      const slice = (region: Region, whole: Shape = shape): WeightSlice => ({
        weight: 'w',
        type: 'float32',
        shape: whole,
        offset,
        region,
      });
      const addition = (key: string, weight: WeightSlice): Program =>
        program(key, [node('Add', ['x', 'w'], 'y')], {
          feeds: [{ name: 'x', type: 'float32' }],
          weights: new Map([['w', weight]]),
        });
      const zero = fromFloat32([1], [0]);
      const REGIONS: readonly (readonly [string, Region, readonly number[]])[] = [
        ['a whole weight', wholeRegion(shape), values(elements)],
        ['rows', [{ start: 1, end: 3 }, ...wholeRegion([3, 2])], [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]],
        [
          'part of one row',
          [
            { start: 2, end: 3 },
            { start: 1, end: 3 },
            { start: 0, end: 2 },
          ],
          [14, 15, 16, 17],
        ],
        [
          'columns',
          [
            { start: 0, end: 4 },
            { start: 1, end: 2 },
            { start: 0, end: 2 },
          ],
          [2, 3, 8, 9, 14, 15, 20, 21],
        ],
        [
          'single elements',
          [
            { start: 1, end: 3 },
            { start: 0, end: 2 },
            { start: 1, end: 2 },
          ],
          [7, 9, 13, 15],
        ],
        [
          'one element',
          [
            { start: 3, end: 4 },
            { start: 2, end: 3 },
            { start: 1, end: 2 },
          ],
          [23],
        ],
      ];
      for (const [what, region, expected] of REGIONS) {
        it(`reads ${what}`, async () => {
          const subject = addition(`weights: ${what}`, slice(region));
          await kernel.prepare(subject, { path }, never());
          const { outputs } = await kernel.run(subject.key, new Map([['x', copyOf(zero)]]), never());
          assert.deepEqual(values(outputs.get('y')), expected);
        });
      }

      it('says that a weight file is missing, or too short', async () => {
        const whole = slice(wholeRegion(shape));
        const long = slice(wholeRegion([4, 3, 3]), [4, 3, 3]);
        const missing = { path: join(folder, 'nothing.bin') };
        await assert.rejects(kernel.prepare(addition('w1', whole), null, never()), failsWith('STORAGE_FAILED'));
        await assert.rejects(kernel.prepare(addition('w1', whole), missing, never()), failsWith('STORAGE_FAILED'));
        await assert.rejects(kernel.prepare(addition('w1', long), { path }, never()), failsWith('STORAGE_FAILED'));
        await kernel.prepare(addition('w1', whole), { path }, never());
      });
    });
  });
}
