/** Networks of the zoo, each over three peers in one process, against ONNX Runtime with the whole. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { InferenceSession } from 'onnxruntime-node';
import { createOnnxRuntimeKernel } from '../../../../kernels/onnxruntime/kernel.ts';
import type { Kernel } from '../../../../kernels/kernel.ts';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import type { ModelPackage } from '../../../../models/package.ts';
import { ZOO, type ZooName } from '../../../../models/zoo/index.ts';
import { fillNormal } from '../../../../models/zoo/random.ts';
import { imageTensor } from '../../../../models/tasks/image.ts';
import { characterIds } from '../../../../models/tasks/text.ts';
import { float32Values, fromFloat32, fromInt64, type Tensor } from '../../../../src/core/tensor/tensor.ts';
import { MemoryMesh } from '../../../support/memory-mesh.ts';
import { weightsOf, writeBlob } from '../../../support/weights.ts';
import { runSession } from '../../../support/whole-session.ts';

const picture = (side: number): Tensor => {
  const values = new Float32Array(3 * side * side);
  fillNormal(values, side, 0, 1);
  return fromFloat32([1, 3, side, side], values);
};

/** A line of text as the network is given it. */
async function line(name: 'ocr-detection' | 'ocr-recognition'): Promise<Tensor> {
  const fontfile = fileURLToPath(new URL('ttf/DejaVuSans.ttf', import.meta.resolve('dejavu-fonts-ttf/package.json')));
  const bytes = await sharp({ text: { text: 'Regions, tiles and halos', font: 'DejaVu Sans', fontfile, dpi: 192 } })
    .negate()
    .extend({ top: 8, bottom: 8, left: 8, right: 8, background: 'white' })
    .png()
    .toBuffer();
  const task = await ZOO[name].task();
  assert.ok(task.kind === 'text-detection' || task.kind === 'text-recognition');
  return (await imageTensor(bytes, task.image)).tensor;
}

const text = ' all human beings are born free and equal in dignity and rights '.repeat(8);
const ids = characterIds(text, 4096);

const waves = Float32Array.from({ length: 200 }, (_, index) => Math.sin(index / 5) + Math.sin(index / 17));

const CASES: readonly { readonly name: ZooName; readonly input: () => Tensor | Promise<Tensor> }[] = [
  { name: 'language', input: () => fromInt64([1, ids.length], ids) },
  { name: 'forecast', input: () => fromFloat32([1, 1, waves.length], waves) },
  { name: 'squeezenet', input: () => picture(224) },
  { name: 'mobilenet-v2', input: () => picture(224) },
  { name: 'resnet18', input: () => picture(224) },
  { name: 'resnet50', input: () => picture(224) },
  { name: 'tiny-yolo-v2', input: () => picture(416) },
  { name: 'ocr-detection', input: () => line('ocr-detection') },
  { name: 'ocr-recognition', input: () => line('ocr-recognition') },
];

async function whole(model: ModelPackage, weights: ReadonlyMap<string, Uint8Array>, input: Tensor): Promise<Tensor> {
  const session = await InferenceSession.create(encodeGraph(model.graph, (name) => weights.get(name)!));
  const output = (await runSession(session, new Map([[model.graph.inputs[0]!.name, input]]))).get(
    model.graph.outputs[0]!.name,
  )!;
  await session.release();
  return output;
}

describe('a network of the zoo, cut over three peers', function () {
  this.timeout(120_000);
  let kernel: Kernel;
  let folder: string;

  before(async () => {
    kernel = createOnnxRuntimeKernel({ lanes: 1, threadsPerLane: 1 });
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-zoo-'));
  });

  after(async () => {
    await kernel.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const { name, input: given } of CASES) {
    it(`answers as the whole does: ${name}`, async () => {
      const input = await given();
      const model = await ZOO[name].open();
      const weights = await weightsOf(model);
      const weightPath = join(folder, name);
      await writeBlob(weightPath, model, weights);
      const expected = await whole(model, weights, input);
      const values = float32Values(expected);
      const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      assert.ok(values.every(Number.isFinite) && largest > 0);
      // Neither dead nor saturated: activations have kept their size through all layers.
      if (values.length === 1_000) assert.ok(largest < 0.9 && largest > 1 / 999, `largest ${largest}`);

      const mesh = new MemoryMesh({ peers: 3, kernel, graph: model.graph, weightPath });
      try {
        const { outputs, report } = await mesh.infer(0, new Map([[model.graph.inputs[0]!.name, input]]), 3);
        const actual = outputs.get(model.graph.outputs[0]!.name)!;
        assert.deepEqual(actual.shape, expected.shape);
        for (const [index, value] of float32Values(actual).entries()) {
          assert.ok(Math.abs(value - values[index]!) <= 1e-4 * largest, `${value}, not ${values[index]!}, at ${index}`);
        }
        const peers = new Set(report.blocks.flatMap(({ parts }) => parts.map(({ peer }) => peer)));
        assert.equal(peers.size, 3, report.cut);
      } finally {
        await mesh.stop();
      }
    });
  }
});
