import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import type { ModelPackage } from '../../../../models/package.ts';
import { parseTask } from '../../../../models/tasks/task.ts';
import { ZOO } from '../../../../models/zoo/index.ts';
import type { Graph } from '../../../../src/core/graph/graph.ts';
import { byteLength, elementCount } from '../../../../src/core/tensor/tensor.ts';

const parameters = (graph: Graph): number =>
  [...graph.weights.values(), ...graph.constants.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);

const count = (graph: Graph, op: string): number => graph.nodes.filter((node) => node.op === op).length;

async function weightsOf(model: ModelPackage): Promise<Map<string, Uint8Array>> {
  const weights = new Map<string, Uint8Array>();
  for (const name of model.graph.weights.keys()) {
    const pieces: Uint8Array[] = [];
    for await (const piece of model.weightPieces(name)) pieces.push(piece);
    weights.set(name, Buffer.concat(pieces));
  }
  return weights;
}

describe('zoo', () => {
  /** Parameters: sums over the tables of the papers. */
  const table = [
    { name: 'lenet5', parameters: 61_706, convolutions: 2, dense: 3, input: [1, 28, 28] },
    { name: 'alexnet', parameters: 60_965_224, convolutions: 5, dense: 3, input: [3, 227, 227] },
    { name: 'vgg16', parameters: 138_357_544, convolutions: 13, dense: 3, input: [3, 224, 224] },
    { name: 'vgg19', parameters: 143_667_240, convolutions: 16, dense: 3, input: [3, 224, 224] },
  ] as const;

  it('holds just the networks of the table', () => {
    assert.deepEqual(
      Object.keys(ZOO),
      table.map(({ name }) => name),
    );
  });

  for (const row of table) {
    it(`has ${row.name} with the layers and the number of parameters its paper gives`, async () => {
      const { task } = ZOO[row.name];
      const { graph } = await ZOO[row.name].open();
      assert.equal(parameters(graph), row.parameters);
      assert.equal(count(graph, 'Conv'), row.convolutions);
      assert.equal(count(graph, 'Gemm'), row.dense);
      assert.deepEqual(graph.inputs[0]!.dims, ['batch', ...row.input]);
      assert.deepEqual(parseTask(task), task);
      assert.ok(task.kind === 'image-classification');
      assert.equal(task.input, graph.inputs[0]!.name);
      assert.equal(task.output, graph.outputs[0]!.name);
    });
  }

  it('generates AlexNet weights that are the same everywhere and that onnxruntime takes', async () => {
    const model = await ZOO.alexnet.open();
    const weights = await weightsOf(model);
    for (const [name, { type, shape }] of model.graph.weights) {
      assert.equal(weights.get(name)!.byteLength, byteLength(type, shape), name);
    }
    const digest = createHash('sha256').update(weights.get('conv2.weight')!).update(weights.get('fc8.bias')!);
    assert.equal(digest.digest('hex'), 'bec8b54cb2acec27b13746a43b7f1253acb3a0671302c248288af61c170bfbe3');

    const session = await InferenceSession.create(encodeGraph(model.graph, (name) => weights.get(name)!));
    const pixels = Float32Array.from({ length: 3 * 227 * 227 }, (_, index) => ((index * 37) % 255) / 255 - 0.5);
    const { probabilities } = await session.run({ image: new Tensor('float32', pixels, [1, 3, 227, 227]) });
    const values = probabilities!.data as Float32Array;
    assert.equal(values.length, 1_000);
    assert.ok(Math.abs(values.reduce((sum, value) => sum + value) - 1) < 1e-4);
    // Neither dead nor saturated: activations have kept their size through all layers.
    assert.ok(Math.max(...values) < 0.9 && Math.max(...values) > 1 / 999, `largest ${Math.max(...values)}`);
    await session.release();
  });
});
