import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel, WeightFile } from '../../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { decodeModel } from '../../../models/onnx/decode.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import { fromFloat32, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { difference, isClose, worst } from '../../../src/core/compare.ts';
import { verifyModel } from '../../../src/verify/verify.ts';
import { lyingKernel } from '../../support/lying-kernel.ts';

const LENET = new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url);
const NEVER = new AbortController().signal;
const image = (): ReadonlyMap<string, Tensor> =>
  new Map([
    [
      'image',
      fromFloat32(
        [1, 1, 28, 28],
        Float32Array.from({ length: 784 }, (_, index) => Math.sin(index)),
      ),
    ],
  ]);

describe('verification of a model', () => {
  let folder: string;
  let kernel: Kernel;
  let weights: WeightFile;
  let graph: Graph;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-verify-'));
    const model = decodeModel(await readFile(LENET));
    const blob = new Uint8Array(model.weightBlobBytes);
    for (const [name, { offset }] of model.graph.weights) blob.set(model.weightBytes(name) as Uint8Array, offset);
    weights = { path: join(folder, 'weights.bin') };
    await writeFile(weights.path, blob);
    kernel = createOnnxRuntimeKernel();
    graph = model.graph;
  });
  after(async () => {
    await kernel.close();
    await rm(folder, { recursive: true });
  });

  it('finds LeNet-5 the same in every cut, and says what runs whole', async () => {
    const seen: number[] = [];
    const report = await verifyModel({
      graph,
      weights,
      kernel,
      inputs: image(),
      parts: [2, 4],
      signal: NEVER,
      onProgress: (done) => seen.push(done),
    });
    assert.ok(report.cuts.length >= 12);
    assert.ok(report.cuts.every((cut) => cut.equal));
    assert.deepEqual(new Set(report.cuts.map((cut) => cut.blocks)), new Set(['atoms', 'fused', 'planned']));
    assert.ok(report.cuts.some((cut) => cut.axis === '2x2 grid'));
    for (const { cutBlocks, allBlocks, share } of report.cuts) {
      assert.ok(cutBlocks > 0 && cutBlocks <= allBlocks);
      assert.ok(share > 0 && share <= 1);
    }
    assert.equal(Math.max(...report.cuts.map(({ share }) => share)), 1);
    assert.equal(report.coverage, 1);
    assert.deepEqual(
      report.whole.map(({ operator }) => operator),
      ['Softmax'],
    );
    assert.deepEqual(seen, [...Array(report.cuts.length + 1).keys()]);
    assert.doesNotThrow(() => JSON.stringify(report));
  });

  it('reports a kernel that answers tiles otherwise than the whole', async () => {
    const liar = lyingKernel(kernel, 1000);
    const report = await verifyModel({ graph, weights, kernel: liar, inputs: image(), parts: [2], signal: NEVER });
    assert.ok(report.cuts.some((cut) => !cut.equal));
    const wild = lyingKernel(kernel, NaN);
    const other = await verifyModel({ graph, weights, kernel: wild, inputs: image(), parts: [2], signal: NEVER });
    assert.ok(other.cuts.some((cut) => cut.maxAbs === Number.MAX_VALUE && !cut.equal));
  });

  it('stops when it is told to', async () => {
    const request = { graph, weights, kernel, inputs: image(), parts: [2] };
    await assert.rejects(verifyModel({ ...request, signal: AbortSignal.abort() }), { code: 'CANCELLED' });
  });
});

describe('difference', () => {
  const of = (...values: number[]): Tensor => fromFloat32([values.length], values);

  it('is nothing between equal bits', () => {
    assert.deepEqual(difference(of(1, NaN), of(1, NaN)), { maxAbs: 0, maxRel: 0, isIdentical: true });
  });

  it('is measured against the largest value', () => {
    const apart = difference(of(1, 10), of(1.5, 10));
    assert.deepEqual(apart, { maxAbs: 0.5, maxRel: 0.05, isIdentical: false });
    assert.ok(!isClose(apart));
  });

  it('is infinite between a number and none, and between shapes', () => {
    assert.equal(difference(of(1), of(NaN)).maxAbs, Infinity);
    assert.equal(difference(of(1), of(1, 1)).maxAbs, Infinity);
    assert.ok(!isClose(worst([difference(of(1), of(1)), difference(of(1), of(Infinity))])));
  });
});
