/**
 * Convolutions by minimal filtering against the direct ones, on every kernel: random maps, paddings and neighbours; and cut
 * as one likes the same as whole, on native x64 bit for bit.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { Kernel } from '../../../kernels/kernel.ts';
import { bindGraph, type Arithmetic, type BoundGraph } from '../../../src/core/graph/bind.ts';
import { whereItPromises } from '../../../src/core/graph/minimal-filtering.ts';
import type { Graph, Node } from '../../../src/core/graph/graph.ts';
import type { ModelId } from '../../../src/core/ids.ts';
import { isWinogradConv } from '../../../src/core/ops/winograd-conv.ts';
import type { Cut, Plan } from '../../../src/core/plan/plan.ts';
import { elementCount, float32Values, fromFloat32, type Shape, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { executePlan } from '../../../src/verify/execute.ts';
import { cutPlan, wholePlan } from '../../../src/verify/plans.ts';
import { differenceOf } from '../../../demo/whole-model.ts';
import { randomOf, type Random } from '../../property/random.ts';
import { graphOf, node, specs, value } from '../../unit/core/graph/small-graphs.ts';
import { int, ints } from '../../unit/core/ops/facts.ts';
import { KERNELS, kernelNames } from './ports.ts';

/** Of the largest value: what 'fast' may differ from 'exact'. */
const TOLERANCE = 1e-4;
const ROUNDS = 12;
const CHANNELS = 24;
const MODEL_ID = '0'.repeat(64) as ModelId;

const SHARDS: Cut = { axes: [1], counts: [2] };
const CUTS: readonly Cut[] = [
  { axes: [2], counts: [2] },
  { axes: [2], counts: [5] },
  { axes: [3], counts: [3] },
  { axes: [2, 3], counts: [2, 2] },
  SHARDS,
];

function tensorOf(random: Random, shape: Shape): Tensor {
  const values = Float32Array.from({ length: elementCount(shape) }, () => random.integer(-1_000, 1_000) / 1_000);
  return fromFloat32(shape, values);
}

/**
 * A convolution that may be normalised, what may come between, and another, which may be added to what it reads; one of few
 * output channels alone where loops are plain.
 */
function drawGraph(random: Random, isSmall: boolean): { readonly graph: Graph; readonly input: Shape } {
  const extents = [random.integer(9, 40), random.integer(9, 40)];
  const input = [1, CHANNELS, ...extents];
  const constants = new Map<string, Tensor>();
  const nodes: Node[] = [];
  let last = 'x';
  const add = (op: string, more: readonly string[], attributes: Node['attributes'] = {}): void => {
    const output = `v${nodes.length}`;
    nodes.push(node(op, [last, ...more], [output], attributes));
    last = output;
  };
  const constant = (name: string, tensor: Tensor): string => {
    constants.set(`${name}${nodes.length}`, tensor);
    return `${name}${nodes.length}`;
  };
  const convolve = (channelsOut: number, pads = Array.from({ length: 4 }, () => random.integer(0, 2))): void => {
    const weight = constant('w', tensorOf(random, [channelsOut, CHANNELS, 3, 3]));
    const bias = constant('b', tensorOf(random, [channelsOut]));
    add('Conv', random.chance(0.8) ? [weight, bias] : [weight], { pads: ints(...pads) });
    if (!random.chance(0.5)) return;
    const factors = ['scale', 'offset', 'mean'].map((name) => constant(name, tensorOf(random, [channelsOut])));
    const deviations = float32Values(tensorOf(random, [channelsOut]));
    const variance = fromFloat32(
      [channelsOut],
      deviations.map((deviation) => deviation ** 2 + 0.01),
    );
    add('BatchNormalization', [...factors, constant('variance', variance)], {
      epsilon: { kind: 'float', value: random.pick([1e-5, 1e-2]) },
    });
  };
  convolve(isSmall ? 4 : CHANNELS);
  if (random.chance(0.7)) add(random.pick(['Relu', 'Relu', 'LeakyRelu', 'Tanh']), []);
  const pool = random.pick(['none', 'halving', 'overlapping', 'ceiling']);
  if (pool !== 'none') {
    const kernel = pool === 'overlapping' ? 3 : 2;
    const size = { kernel_shape: ints(kernel, kernel), strides: ints(2, 2) };
    add('MaxPool', [], pool === 'ceiling' ? { ...size, ceil_mode: int(1) } : size);
  }
  if (!isSmall && random.chance(0.3)) {
    const shortcut = last;
    convolve(CHANNELS, [1, 1, 1, 1]);
    add('Add', [shortcut]);
    if (random.chance(0.5)) add('Relu', []);
  }
  if (!isSmall && random.chance(0.7)) convolve(random.integer(2, 20));
  return { graph: graphOf(nodes, [value('x', ...input)], [last], { constants }), input };
}

for (const name of kernelNames) {
  describe(`fast arithmetic on ${name}`, function () {
    this.timeout(Math.max(this.timeout(), 300_000));
    const seed = Number(process.env.TILEMESH_SEED ?? randomInt(2 ** 31));
    const isSmall = name === 'reference';
    const rounds = isSmall ? 1 : ROUNDS;
    let kernel: Kernel;
    before(() => {
      console.log(`      TILEMESH_SEED=${seed}`);
      kernel = KERNELS[name]();
    });
    after(() => kernel.close());

    it('is within 1e-4 of the direct convolution, and the same however it is cut', async () => {
      const cutTolerance = name === 'onnxruntime' && process.arch === 'x64' ? 0 : 1e-5;
      for (let round = 0; round < rounds; round++) {
        const random = randomOf(seed + round);
        const { graph, input } = drawGraph(random, isSmall);
        const x = tensorOf(random, input);
        const boundAs = (arithmetic: Arithmetic): BoundGraph =>
          bindGraph(graph, specs({ x: input }), arithmetic, whereItPromises(0));
        const run = (bound: BoundGraph, plan: Plan): Promise<Map<string, Tensor>> => {
          const inputs = new Map([['x', { ...x, bytes: x.bytes.slice() }]]);
          const { signal } = new AbortController();
          return executePlan({ bound, plan, kernel, weights: null, inputs, signal });
        };
        const exact = boundAs('exact');
        const fast = boundAs('fast');
        const which = `seed ${seed + round}: ${graph.nodes.map(({ op }) => op).join(', ')} of [${input.join(', ')}]`;
        assert.equal(
          fast.steps.filter((step) => isWinogradConv(step.node)).length,
          graph.nodes.filter(({ op }) => op === 'Conv').length,
          which,
        );
        assert.ok(!fast.steps.some((step) => step.node.op === 'BatchNormalization'), which);
        const expected = await run(exact, wholePlan(exact, MODEL_ID));
        const whole = await run(fast, wholePlan(fast, MODEL_ID));
        assert.ok(differenceOf(expected, whole).maxRel <= TOLERANCE, which);
        // The reference kernel has no Slice, with which tiles of a map are cropped.
        const cut = isSmall ? SHARDS : random.pick(CUTS);
        const blocks = random.pick(['atoms', 'fused'] as const);
        const parts = await run(fast, cutPlan({ bound: fast, modelId: MODEL_ID, cut, blocks }));
        const { maxRel } = differenceOf(whole, parts);
        assert.ok(maxRel <= cutTolerance, `${which}, ${JSON.stringify(cut)} ${blocks}: ${maxRel}`);
      }
    });
  });
}
