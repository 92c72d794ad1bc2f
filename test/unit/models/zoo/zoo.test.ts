import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import { weightsOf } from '../../../support/weights.ts';
import { OCR_MODELS } from '../../../../models/tasks/ocr.ts';
import { outputsRead, parseTask } from '../../../../models/tasks/task.ts';
import { ZOO } from '../../../../models/zoo/index.ts';
import type { Graph } from '../../../../src/core/graph/graph.ts';
import { byteLength, elementCount } from '../../../../src/core/tensor/tensor.ts';

const parameters = (graph: Graph): number =>
  [...graph.weights.values(), ...graph.constants.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);

/** What training changes by gradients: without the constants of clipping and the statistics of normalisation. */
const learned = (graph: Graph): number =>
  parameters(graph) -
  [...graph.weights, ...graph.constants]
    .filter(([name]) => /\.(mean|variance)$|^(zero|six)$/.test(name))
    .reduce((sum, [, { shape }]) => sum + elementCount(shape), 0);

const count = (graph: Graph, op: string): number => graph.nodes.filter((node) => node.op === op).length;

describe('zoo', () => {
  /** Parameters as the papers and their authors' files count them: see `learned`. */
  const table = [
    { name: 'lenet5', parameters: 61_706, convolutions: 2, dense: 3, input: [1, 28, 28] },
    { name: 'alexnet', parameters: 60_965_224, convolutions: 5, dense: 3, input: [3, 227, 227] },
    { name: 'vgg16', parameters: 138_357_544, convolutions: 13, dense: 3, input: [3, 224, 224] },
    { name: 'vgg19', parameters: 143_667_240, convolutions: 16, dense: 3, input: [3, 224, 224] },
    { name: 'resnet18', parameters: 11_689_512, convolutions: 20, dense: 1, input: [3, 224, 224] },
    { name: 'resnet50', parameters: 25_557_032, convolutions: 53, dense: 1, input: [3, 224, 224] },
    { name: 'mobilenet-v2', parameters: 3_504_872, convolutions: 52, dense: 1, input: [3, 224, 224] },
    { name: 'squeezenet', parameters: 1_235_496, convolutions: 26, dense: 0, input: [3, 224, 224] },
    { name: 'tiny-yolo-v2', parameters: 15_861_773, convolutions: 9, dense: 0, input: [3, 416, 416] },
    { name: 'language', parameters: 97_701, convolutions: 2, dense: 1, input: ['length'] },
    { name: 'forecast', parameters: 4_103, convolutions: 7, dense: 0, input: [1, 'length'] },
  ] as const;

  it('holds just the networks of the table, and those for faces and for reading pages', () => {
    const names = [...table.map(({ name }) => name), 'face', 'ocr-detection', 'ocr-angle', 'ocr-recognition'];
    assert.deepEqual(Object.keys(ZOO), names);
    for (const [name, entry] of Object.entries(ZOO)) assert.equal(entry.name, name);
  });

  for (const row of table) {
    it(`has ${row.name} with the layers and the number of parameters its paper gives`, async () => {
      const task = await ZOO[row.name].task();
      const { graph } = await ZOO[row.name].open();
      assert.equal(learned(graph), row.parameters);
      assert.equal(count(graph, 'Conv'), row.convolutions);
      assert.equal(count(graph, 'Gemm'), row.dense);
      assert.deepEqual(graph.inputs[0]!.dims, ['batch', ...row.input]);
      assert.deepEqual(parseTask(task), task);
      assert.ok(task.kind !== 'tensors');
      assert.equal(task.input, graph.inputs[0]!.name);
      assert.deepEqual(outputsRead(task), [graph.outputs[0]!.name]);
    });
  }

  it("has as many numbers for Tiny YOLOv2 as its authors' file of weights", async () => {
    const { graph } = await ZOO['tiny-yolo-v2'].open();
    const headerBytes = 16;
    assert.equal(headerBytes + 4 * parameters(graph), 63_471_556);
  });

  it('has the networks that read pages, with the tasks they are for', async () => {
    for (const name of ['ocr-detection', 'ocr-angle', 'ocr-recognition'] as const) {
      const task = await ZOO[name].task();
      const { graph } = await ZOO[name].open();
      assert.ok(task.kind === OCR_MODELS[name].kind);
      assert.equal(task.input, graph.inputs[0]!.name);
      assert.equal(task.output, graph.outputs[0]!.name);
    }
  });

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
