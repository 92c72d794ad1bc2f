/**
 * ONNX's own operator vectors: the answers they ask for, whole and cut along every axis. What the runtime itself does not
 * execute, or answers otherwise, is left out and listed by reason.
 */
import assert from 'node:assert/strict';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { decodeModel } from '../../../models/onnx/decode.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { bindGraph, isConstant, type BoundGraph } from '../../../src/core/graph/bind.ts';
import type { Plan } from '../../../src/core/plan/plan.ts';
import type { Tensor } from '../../../src/core/tensor/tensor.ts';
import { difference, isClose } from '../../../src/core/compare.ts';
import { cutPlan, wholePlan } from '../../../src/verify/plans.ts';
import { openBench, type Bench } from '../../property/bench.ts';
import { hasVectors, readVector, SUITES, vectorNames, VECTORS_FOLDER, type Vector } from './vectors.ts';

/** What ONNX's backend tests allow: these vectors were computed by other code in other precision. */
const PUBLISHED_TOLERANCE = 1e-3;

interface Outcome {
  passed: number;
  cuts: number;
  readonly left: Map<string, string[]>;
  readonly wrong: string[];
}

/** Random operators have no right answer. */
const isRandom = (name: string): boolean => /bernoulli|dropout_random|training_dropout/.test(name);

describe('ONNX operator vectors', () => {
  let bench: Bench | undefined;
  before(function () {
    if (!hasVectors()) {
      console.log(`      skipped: ${VECTORS_FOLDER} is missing; install the package libonnx-testdata`);
      this.skip();
    }
    bench = openBench(createOnnxRuntimeKernel());
  });
  after(() => bench?.close());

  for (const suite of SUITES) {
    it(`of ${suite} come out as published, and the same when cut`, async function () {
      this.timeout(300_000);
      assert.ok(bench);
      const outcome: Outcome = { passed: 0, cuts: 0, left: new Map(), wrong: [] };
      const leave = (reason: string, name: string): void => {
        outcome.left.set(reason, [...(outcome.left.get(reason) ?? []), name]);
      };
      for (const name of vectorNames(suite)) {
        const vector = readVector(suite, name);
        if (vector === undefined) leave('values that are no tensors of numbers', name);
        else if (isRandom(name)) leave('random', name);
        else await checkVector(bench, vector, outcome, leave);
      }
      const left = [...outcome.left].map(([reason, names]) => `${names.length} ${reason}`);
      console.log(
        `      ${suite}: ${outcome.passed} pass whole and in ${outcome.cuts} cuts; left out: ${left.join(', ')}`,
      );
      if (process.env.TILEMESH_VERBOSE !== undefined) console.log(outcome.left);
      assert.deepEqual(outcome.wrong, []);
      assert.ok(outcome.passed > 0);
    });
  }
});

async function checkVector(
  bench: Bench,
  vector: Vector,
  outcome: Outcome,
  leave: (reason: string, name: string) => void,
): Promise<void> {
  const opened = open(vector);
  if (typeof opened === 'string') {
    leave(opened, vector.name);
    return;
  }
  const { bound, inputs } = opened;
  const weights = bench.weights(opened.blob);
  let whole: ReadonlyMap<string, Tensor>;
  try {
    whole = await bench.run(bound, wholePlan(bound, bench.modelId), weights, inputs);
  } catch (error) {
    if (error instanceof MeshError && error.code !== 'INTERNAL') leave('refused by the runtime', vector.name);
    else outcome.wrong.push(`${vector.name}: ${String(error)}`);
    return;
  }
  const valueOf = (answer: ReadonlyMap<string, Tensor>, name: string): Tensor =>
    isConstant(bound, name) ? bound.constants.get(name)! : answer.get(name)!;
  const names = bound.graph.outputs.map((output) => output.name);
  const isPublished = names.every(
    (name, index) => difference(valueOf(whole, name), vector.outputs[index]!).maxRel <= PUBLISHED_TOLERANCE,
  );
  if (!isPublished) {
    leave('answered otherwise by the runtime', vector.name);
    return;
  }
  outcome.passed++;
  for (const plan of cutsOf(bound, bench)) {
    const answer = await bench.run(bound, plan, weights, inputs);
    outcome.cuts++;
    for (const name of names) {
      const apart = difference(valueOf(answer, name), valueOf(whole, name));
      if (!isClose(apart)) outcome.wrong.push(`${vector.name}: "${name}" is off by ${apart.maxAbs} when cut`);
    }
  }
}

interface Opened {
  readonly bound: BoundGraph;
  readonly blob: Uint8Array;
  readonly inputs: ReadonlyMap<string, Tensor>;
}

/** The model bound to its vector, or why that cannot be. */
function open(vector: Vector): Opened | string {
  try {
    const model = decodeModel(vector.model);
    const { graph } = model;
    const inputs = new Map(graph.inputs.map(({ name }, index) => [name, vector.inputs[index]!]));
    const blob = new Uint8Array(model.weightBlobBytes);
    for (const [name, { offset }] of graph.weights) {
      const bytes = model.weightBytes(name);
      if (bytes instanceof Uint8Array) blob.set(bytes, offset);
    }
    return { bound: bindGraph(graph, inputs), blob, inputs };
  } catch (error) {
    if (error instanceof MeshError && error.code !== 'INTERNAL') return `refused with ${error.code}`;
    throw error;
  }
}

/** Every axis of the largest output, in two and three parts. */
function cutsOf(bound: BoundGraph, bench: Bench): Plan[] {
  const rank = Math.max(0, ...bound.graph.outputs.map(({ name }) => bound.shapes.get(name)?.length ?? 0));
  const plans: Plan[] = [];
  for (let axis = 0; axis < rank; axis++) {
    for (const parts of [2, 3]) {
      const plan = cutPlan({ bound, modelId: bench.modelId, cut: { axes: [axis], counts: [parts] }, blocks: 'fused' });
      if (plan.blocks.some((block) => block.parts.length > 1)) plans.push(plan);
    }
  }
  return plans;
}
