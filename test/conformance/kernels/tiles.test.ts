/**
 * What the planner counts on: cut as one likes, a kernel computes the same: native ONNX Runtime on x64 bit for bit. On arm64
 * and in WebAssembly its kernels sum thin tiles in another order, and the results agree within a tolerance.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { WeightFile } from '../../../kernels/kernel.ts';
import { copyBox, extract } from '../../../src/core/geometry/copy.ts';
import type { Interval } from '../../../src/core/geometry/interval.ts';
import { wholeRegion, type Region } from '../../../src/core/geometry/region.ts';
import type { Program, WeightSlice } from '../../../src/core/program/program.ts';
import { byteLength, fromInt64, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { difference } from '../../../src/core/compare.ts';
import { CUT_TOLERANCE } from '../../support/bit-exact.ts';
import { padNode } from '../../support/pad-node.ts';
import { KERNELS, kernelNames, type KernelName } from './ports.ts';
import { int, ints, never, node, program, randomTensor } from './programs.ts';

interface Layer {
  readonly op: 'Conv' | 'MaxPool';
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
}

const LAYERS: readonly Layer[] = [
  { op: 'Conv', kernel: 3, stride: 1, pad: 1 },
  { op: 'Conv', kernel: 5, stride: 1, pad: 2 },
  { op: 'MaxPool', kernel: 3, stride: 2, pad: 1 },
];

/** One axis of a tile: what it reads of the input, and the padding that each layer needs at its two ends. */
interface AxisTile {
  readonly input: Interval;
  readonly pads: readonly (readonly [number, number])[];
}

function tileAxis(extents: readonly number[], output: Interval): AxisTile {
  const pads: [number, number][] = [];
  let { start, end } = output;
  for (const [index, { kernel, stride, pad }] of [...LAYERS.entries()].reverse()) {
    const from = start * stride - pad;
    const to = (end - 1) * stride - pad + kernel;
    start = Math.max(from, 0);
    end = Math.min(to, extents[index]!);
    pads[index] = [start - from, to - end];
  }
  return { input: { start, end }, pads };
}

/** Conv, Relu, Conv, Relu, MaxPool; with padding in the layers, or in nodes before them. */
function chain(key: string, channels: readonly number[], opset: number, isTile: boolean): Program {
  const nodes = [];
  const constants = new Map<string, Tensor>();
  const parameters = [];
  let opsets: Readonly<Record<string, number>> = { '': opset };
  let value = 'x';
  for (const [index, { op, kernel, stride, pad }] of LAYERS.entries()) {
    if (isTile) {
      const fill = op === 'Conv' ? 0 : -Infinity;
      const pads = `pads${index}`;
      const parts = padNode({ name: `p${index}`, input: value, pads, fill, output: `${value}+`, opset });
      nodes.push(parts.node);
      opsets = { ...opsets, ...parts.opsets };
      for (const [name, constant] of parts.constants) constants.set(name, constant);
      parameters.push({ name: pads, type: 'int64' as const, rank: 1 });
      value = `${value}+`;
    }
    const attributes = {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      pads: ints(new Array<number>(4).fill(isTile ? 0 : pad)),
    };
    if (op === 'MaxPool') {
      nodes.push(node(op, [value], 'y', attributes));
      continue;
    }
    constants.set(`w${index}`, randomTensor([channels[index + 1]!, channels[index]!, kernel, kernel], index));
    constants.set(`b${index}`, randomTensor([channels[index + 1]!], index + 10));
    nodes.push(node(op, [value, `w${index}`, `b${index}`], `c${index}`, attributes));
    nodes.push(node('Relu', [`c${index}`], `r${index}`));
    value = `r${index}`;
  }
  return program(key, nodes, { opsets, constants, parameters });
}

interface Subject {
  readonly name: KernelName;
  /** Of the largest value; nothing at all where the kernel promises the same bits. */
  readonly tolerance: number;
  /** Largest height and width of a map. */
  readonly maxSide: number;
}

/** A kernel that is missing here does not pass the types. */
const SUBJECTS = {
  onnxruntime: { tolerance: CUT_TOLERANCE, maxSide: 41 },
  wasm: { tolerance: 1e-5, maxSide: 41 },
  // Its loops take a second for what the others do in a millisecond.
  reference: { tolerance: 0, maxSide: 10 },
} as const satisfies Readonly<Record<KernelName, Omit<Subject, 'name'>>>;

for (const name of kernelNames) tilesEqualWhole({ name, ...SUBJECTS[name] });

function tilesEqualWhole({ name, tolerance, maxSide }: Subject): void {
  describe(`tiles in ${name}`, () => {
    const kernel = KERNELS[name]();
    let largest = 0;
    after(async () => {
      await kernel.close();
      console.log(`      largest difference of tiles and whole: ${largest.toExponential(1)} of the largest value`);
    });

    function assertSame(actual: Tensor, expected: Tensor): void {
      const { maxRel } = difference(expected, actual);
      largest = Math.max(largest, maxRel);
      assert.ok(maxRel <= tolerance, `the tiles are off by ${maxRel} of the largest value`);
    }

    async function run(key: string, inputs: Readonly<Record<string, Tensor>>): Promise<Tensor> {
      return (await kernel.run(key, new Map(Object.entries(inputs)), never())).outputs.get('y')!;
    }

    for (const opset of [9, 13]) {
      it(`are the same as the whole, one program for all of them (operator set ${opset})`, async () => {
        const plans = fc.record({
          channels: fc.constantFrom([3, 16, 32], [5, 7, 9], [16, 32, 48]),
          height: fc.integer({ min: 9, max: maxSide }),
          width: fc.integer({ min: 9, max: maxSide }),
          rows: fc.integer({ min: 1, max: 5 }),
          columns: fc.integer({ min: 1, max: 3 }),
        });
        await fc.assert(
          fc.asyncProperty(plans, async ({ channels, height, width, rows, columns }) => {
            const keys = [`whole-${opset}-${channels.join()}`, `tile-${opset}-${channels.join()}`] as const;
            await kernel.prepare(chain(keys[0], channels, opset, false), null, never());
            await kernel.prepare(chain(keys[1], channels, opset, true), null, never());
            const x = randomTensor([1, channels[0], height, width], height * width);
            const source = { region: wholeRegion(x.shape), bytes: Uint8Array.from(x.bytes) };
            const whole = await run(keys[0], { x });
            const stitched = new Uint8Array(byteLength('float32', whole.shape));
            const extents = [height, width].map((extent) => [extent, extent, extent]);
            for (const y of cut(whole.shape[2]!, rows)) {
              for (const column of cut(whole.shape[3]!, columns)) {
                const axes = [tileAxis(extents[0]!, y), tileAxis(extents[1]!, column)];
                const region: Region = [...wholeRegion([1, channels[0]]), axes[0]!.input, axes[1]!.input];
                const part = extract('float32', source, region);
                const pads = LAYERS.map((_, index) => {
                  const ends = axes.map((axis) => axis.pads[index]!);
                  const amounts = [0, 0, ...ends.map(([begin]) => begin), 0, 0, ...ends.map(([, end]) => end)];
                  return [`pads${index}`, fromInt64([8], amounts)] as const;
                });
                // The source is needed again, and a kernel takes over what it is given.
                const input = { ...part, bytes: Uint8Array.from(part.bytes) };
                const tile = await run(keys[1], { x: input, ...Object.fromEntries(pads) });
                const box: Region = [...wholeRegion(whole.shape.slice(0, 2)), y, column];
                copyBox(
                  { region: box, bytes: tile.bytes },
                  { region: wholeRegion(whole.shape), bytes: stitched },
                  box,
                  4,
                );
              }
            }
            assertSame({ ...whole, bytes: stitched }, whole);
          }),
          { numRuns: 8 },
        );
      });
    }

    describe('of a large fully connected layer', () => {
      const shape = [600, 4096];
      let folder: string;
      let weights: WeightFile;
      before(async () => {
        folder = await mkdtemp(join(tmpdir(), 'tilemesh-tiles-'));
        weights = { path: join(folder, 'weights.bin') };
        await writeFile(weights.path, randomTensor(shape, 1).bytes);
      });
      after(() => rm(folder, { recursive: true }));

      const layer = (rows: Interval): Program => {
        const region = [rows, { start: 0, end: shape[1]! }];
        const weight: WeightSlice = { weight: 'w', type: 'float32', shape, offset: 0, region };
        return program(`rows ${rows.start}:${rows.end}`, [node('Gemm', ['x', 'w'], 'y', { transB: int(1) })], {
          feeds: [{ name: 'x', type: 'float32', rank: 2 }],
          weights: new Map([['w', weight]]),
        });
      };
      const multiply = async (rows: Interval): Promise<Tensor> => {
        const subject = layer(rows);
        await kernel.prepare(subject, weights, never());
        return run(subject.key, { x: randomTensor([1, shape[1]!], 2) });
      };

      it('are the same as the whole when they start at multiples of four rows', async () => {
        const whole = await multiply({ start: 0, end: shape[0]! });
        const parts = [];
        for (const rows of cut(shape[0]! / 4, 7)) {
          parts.push((await multiply({ start: rows.start * 4, end: rows.end * 4 })).bytes);
        }
        assertSame({ ...whole, bytes: Uint8Array.from(Buffer.concat(parts)) }, whole);
      });
    });
  });
}

/** `extent` in as many intervals, as equal as can be; fewer where it has fewer indices. */
function cut(extent: number, parts: number): Interval[] {
  const bounds = Array.from({ length: parts + 1 }, (_, index) => Math.floor((extent * index) / parts));
  return bounds
    .slice(1)
    .map((end, index) => ({ start: bounds[index]!, end }))
    .filter(({ start, end }) => start < end);
}
