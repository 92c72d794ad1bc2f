import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decodeModel } from '../../../../models/onnx/decode.ts';
import { loadDigits } from '../../../../models/zoo/lenet5/digits.ts';
import { lenet5Graph } from '../../../../models/zoo/lenet5/network.ts';
import { lenet5, RECIPE, train } from '../../../../models/zoo/lenet5/training.ts';
import { namedParameters } from '../../../../models/zoo/training/named-parameters.ts';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import { sha256 } from '../../../../models/manifest.ts';

const PATH = new URL('../../../../models/zoo/lenet5/lenet5.onnx', import.meta.url);

describe('LeNet-5', () => {
  it('trains on 8,000 digits and holds back 2,000 others', async () => {
    const { training, heldBack } = await loadDigits();
    const pictures = (samples: typeof training) =>
      new Set(samples.map(({ input }) => sha256(new Uint8Array(input.buffer))));
    assert.deepEqual([training.length, heldBack.length], [8_000, 2_000]);
    const known = pictures(training);
    for (const picture of pictures(heldBack)) assert.ok(!known.has(picture), 'a picture is on both sides');
  });

  it('recognises at least 98 % of the digits held back, in onnxruntime, in one batch', async () => {
    const { heldBack } = await loadDigits();
    const session = await InferenceSession.create(await readFile(PATH));
    const images = new Float32Array(heldBack.length * 784);
    for (const [index, { input }] of heldBack.entries()) images.set(input, index * 784);
    const image = new Tensor('float32', images, [heldBack.length, 1, 28, 28]);
    const { probabilities } = await session.run({ image });
    assert.deepEqual(probabilities!.dims, [heldBack.length, 10]);
    const values = probabilities!.data as Float32Array;
    const right = heldBack.filter(({ label }, index) => {
      const row = values.subarray(index * 10, index * 10 + 10);
      assert.ok(Math.abs(row.reduce((sum, value) => sum + value) - 1) < 1e-5);
      return row.indexOf(Math.max(...row)) === label;
    });
    assert.ok(right.length >= 1_960, `${right.length} of 2,000`);
  });

  it('is a file below 250 kB whose graph is the one written down', async () => {
    const bytes = await readFile(PATH);
    assert.ok(bytes.byteLength < 250_000, `${bytes.byteLength} bytes`);
    const { graph } = decodeModel(bytes);
    const expected = lenet5Graph();
    for (const key of ['name', 'irVersion', 'opsets', 'inputs', 'outputs', 'nodes'] as const) {
      assert.deepEqual(graph[key], expected[key]);
    }
    assert.deepEqual(new Set([...graph.constants.keys(), ...graph.weights.keys()]), new Set(expected.weights.keys()));
  });

  it('comes out of the trainer with the same bits on every machine', async () => {
    const { training } = await loadDigits();
    const network = lenet5(RECIPE.seed);
    train(network, training.slice(0, 320), { ...RECIPE, epochs: 1 });
    const parameters = network.parameters.map(({ values }) => values);
    const weights = namedParameters(lenet5Graph(), parameters);
    const bytes = Buffer.concat([...lenet5Graph().weights.keys()].map(weights));
    assert.equal(sha256(bytes), 'ae3a17b52afc8d8b2ff901c4003f46d998590a9c58e9ef01cdc399175510d8f2');
  });

  it('is encoded to the same bytes again', async () => {
    const bytes = await readFile(PATH);
    const model = decodeModel(bytes);
    const weights = (name: string): Uint8Array => {
      const found = model.graph.constants.get(name)?.bytes ?? model.weightBytes(name);
      assert.ok(found instanceof Uint8Array);
      return found;
    };
    assert.ok(bytes.equals(encodeGraph(lenet5Graph(), weights)));
  });
});
