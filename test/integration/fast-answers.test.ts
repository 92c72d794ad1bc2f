/**
 * Answers about photographs do not change where every convolution that can be is computed by minimal filtering, more than any
 * measurement would choose: the same class first, the same objects at the same places.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { photograph } from '../../demo/pictures.ts';
import { differenceOf } from '../../demo/whole-model.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import type { Answer } from '../../models/tasks/answer.ts';
import { postprocess, preprocess } from '../../models/tasks/process.ts';
import type { TaskSpec } from '../../models/tasks/task.ts';
import { ZOO, type ZooName } from '../../models/zoo/index.ts';
import { bindGraph } from '../../src/core/graph/bind.ts';
import { whereItPromises } from '../../src/core/graph/minimal-filtering.ts';
import { ModelStore } from '../../src/mesh/model-store/model-store.ts';
import { executePlan } from '../../src/verify/execute.ts';
import { wholePlan } from '../../src/verify/plans.ts';

const TOLERANCE = 1e-4;
/** Convolutions of each that can be computed by minimal filtering. */
const NETWORKS = { resnet18: 13, squeezenet: 8, 'tiny-yolo-v2': 8 } as const satisfies Partial<Record<ZooName, number>>;
/** Corners of the parts of the photograph that are looked at, in shares of the room there is. */
const PARTS = [
  [0, 0],
  [0.5, 0.3],
  [1, 1],
] as const;
/** Generated weights find nothing that they are sure of. */
const ALL_SCORES = 0.02;

async function pictures(): Promise<Uint8Array[]> {
  const whole = await photograph();
  const { width, height } = await sharp(whole).metadata();
  const side = Math.floor(Math.min(width, height) / 2);
  const parts = PARTS.map(async ([x, y]) => {
    const area = { left: Math.floor(x * (width - side)), top: Math.floor(y * (height - side)) };
    return new Uint8Array(
      await sharp(whole)
        .extract({ ...area, width: side, height: side })
        .png()
        .toBuffer(),
    );
  });
  return [whole, ...(await Promise.all(parts))];
}

const withAllScores = (task: TaskSpec): TaskSpec =>
  task.kind === 'object-detection' ? { ...task, scoreThreshold: ALL_SCORES } : task;

/** Pixels, and shares of the whole score: far below what anybody sees, far above what rounding does. */
const REACH = 0.01;

function assertSame(expected: Answer, actual: Answer): void {
  if (expected.kind === 'classes') {
    assert.ok(actual.kind === 'classes');
    assert.equal(actual.top[0]!.index, expected.top[0]!.index);
    return;
  }
  assert.ok(expected.kind === 'objects' && actual.kind === 'objects');
  assert.deepEqual(
    actual.objects.map(({ label }) => label),
    expected.objects.map(({ label }) => label),
  );
  for (const [index, object] of expected.objects.entries()) {
    for (const side of ['left', 'top', 'right', 'bottom', 'score'] as const)
      assert.ok(Math.abs(object[side] - actual.objects[index]![side]) <= REACH, `${side} of object ${index}`);
  }
}

const countIn = (answer: Answer): number => (answer.kind === 'objects' ? answer.objects.length : 1);

describe('answers in fast arithmetic', function () {
  this.timeout(Math.max(this.timeout(), 300_000));
  let folder: string;
  let store: ModelStore;
  let kernel: Kernel;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-fast-'));
    store = await ModelStore.open(folder);
    kernel = createOnnxRuntimeKernel();
  });

  after(async () => {
    await kernel.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [name, count] of Object.entries(NETWORKS)) {
    it(`are those of exact arithmetic: ${name}, ${count} convolutions`, async () => {
      const { id } = await store.importZoo(name);
      const graph = store.graph(id);
      const task = withAllScores(await ZOO[name as ZooName].task());
      const { signal } = new AbortController();
      let found = 0;
      for (const bytes of await pictures()) {
        const { inputs, context } = await preprocess(task, { kind: 'image', bytes }, graph.inputs);
        const exact = bindGraph(graph, inputs);
        const fast = bindGraph(graph, inputs, 'fast', whereItPromises(0));
        assert.equal(fast.filtered.length, count);
        const [expected, outputs] = await Promise.all(
          [exact, fast].map((bound) =>
            executePlan({
              bound,
              plan: wholePlan(bound, id),
              kernel,
              weights: store.weightFile(id),
              inputs: new Map([...inputs].map(([key, tensor]) => [key, { ...tensor, bytes: tensor.bytes.slice() }])),
              signal,
            }),
          ),
        );
        assert.ok(differenceOf(expected!, outputs!).maxRel <= TOLERANCE);
        const answers = [expected!, outputs!].map((own) => postprocess(task, own, context));
        assertSame(answers[0]!, answers[1]!);
        found += countIn(answers[0]!);
      }
      assert.ok(found > 0, 'nothing was found that could have changed');
      await store.remove(id);
    });
  }
});
