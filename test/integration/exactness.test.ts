/**
 * LeNet-5, AlexNet and VGG-16 in the mesh equal ONNX Runtime on the whole model: for 1 to 5 peers as the planner cuts them,
 * and for stripes, grids and channel shards whether they pay or not. Bit for bit on x64. Other models of the zoo can be named
 * in TILEMESH_EXACTNESS_MODELS.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Kernel } from '../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { fillNormal } from '../../models/zoo/random.ts';
import { differenceOf, openWholeModel } from '../../demo/whole-model.ts';
import { bindGraph } from '../../src/core/graph/bind.ts';
import type { Graph } from '../../src/core/graph/graph.ts';
import type { ModelId } from '../../src/core/ids.ts';
import type { Cut } from '../../src/core/plan/plan.ts';
import { elementCount, float32Values, fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import { ModelStore } from '../../src/mesh/model-store/model-store.ts';
import { executePlan } from '../../src/verify/execute.ts';
import { cutPlan } from '../../src/verify/plans.ts';
import { CUT_TOLERANCE } from '../support/bit-exact.ts';
import { MemoryMesh } from '../support/memory-mesh.ts';

const MODELS = (process.env.TILEMESH_EXACTNESS_MODELS ?? 'lenet5,alexnet,vgg16').split(',');
const FAST_TOLERANCE = 1e-4;
const PEERS = [1, 2, 3, 4, 5];
const CUTS: readonly (readonly [string, Cut])[] = [
  ['2 stripes of rows', { axes: [2], counts: [2] }],
  ['5 stripes of rows', { axes: [2], counts: [5] }],
  ['3 stripes of columns', { axes: [3], counts: [3] }],
  ['a 2x2 grid', { axes: [2, 3], counts: [2, 2] }],
  ['3 shards of channels', { axes: [1], counts: [3] }],
  ['4 shards of channels', { axes: [1], counts: [4] }],
];

const first = (scores: Tensor): number => {
  const values = float32Values(scores);
  return values.indexOf(Math.max(...values));
};

describe('a network in the mesh equals the whole network', function () {
  this.timeout(Math.max(this.timeout(), 300_000));
  const seed = Number(process.env.TILEMESH_SEED ?? randomInt(2 ** 31));
  let folder: string;
  let store: ModelStore;
  let kernel: Kernel;

  before(async () => {
    console.log(`      TILEMESH_SEED=${seed}`);
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-exactness-'));
    store = await ModelStore.open(folder);
    kernel = createOnnxRuntimeKernel();
  });

  after(async () => {
    await kernel.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const name of MODELS) {
    describe(name, () => {
      let id: ModelId;
      let graph: Graph;
      let weightPath: string;
      let inputs: Map<string, Tensor>;
      let expected: ReadonlyMap<string, Tensor>;
      let largest = 0;

      before(async () => {
        ({ id } = await store.importZoo(name));
        graph = store.graph(id);
        weightPath = store.weightFile(id).path;
        const [input] = graph.inputs;
        const shape = input!.dims.map((dim) => (typeof dim === 'string' ? 1 : dim));
        const values = new Float32Array(elementCount(shape));
        fillNormal(values, seed, 0, 1);
        inputs = new Map([[input!.name, fromFloat32(shape, values)]]);
        expected = (await (await openWholeModel(dirname(weightPath))).run(inputs)).outputs;
      });

      after(async () => {
        await store.remove(id);
        console.log(`        largest difference: ${largest.toExponential(1)} of the largest value`);
      });

      function assertSame(outputs: ReadonlyMap<string, Tensor>, what: string): void {
        const { maxRel } = differenceOf(expected, outputs);
        largest = Math.max(largest, maxRel);
        assert.ok(maxRel <= CUT_TOLERANCE, `${what}: off by ${maxRel} of the largest value`);
      }

      for (const peers of PEERS) {
        it(`on ${peers} peers, as the planner chooses and cut over all`, async () => {
          const mesh = new MemoryMesh({ peers, kernel, graph, weightPath });
          try {
            for (const parallelism of [0, peers]) {
              const { outputs } = await mesh.infer(peers - 1, inputs, parallelism);
              assertSame(outputs, `parallelism ${parallelism}`);
            }
          } finally {
            await mesh.stop();
          }
        });
      }

      it('in fast arithmetic on 3 peers, within 1e-4 of it and with the same class first', async () => {
        const mesh = new MemoryMesh({ peers: 3, kernel, graph, weightPath, arithmetic: 'fast' });
        try {
          const { outputs } = await mesh.infer(0, inputs, 3);
          assert.ok(differenceOf(expected, outputs).maxRel <= FAST_TOLERANCE);
          for (const [output, tensor] of outputs) assert.equal(first(tensor), first(expected.get(output)!));
        } finally {
          await mesh.stop();
        }
      });

      for (const [description, cut] of CUTS) {
        it(`in ${description}`, async () => {
          const bound = bindGraph(graph, inputs);
          const plan = cutPlan({ bound, modelId: id, cut, blocks: 'atoms' });
          const signal = new AbortController().signal;
          const outputs = await executePlan({ bound, plan, kernel, weights: { path: weightPath }, inputs, signal });
          assertSame(outputs, description);
          assert.ok(
            plan.blocks.some((block) => block.parts.length > 1),
            'something was cut',
          );
        });
      }
    });
  }
});
