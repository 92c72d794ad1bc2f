/**
 * Peers that measured differently compute one answer alike: as whoever coordinates it would, whichever peer that is. On x64 bit
 * for bit what the whole network gives with the layers that one of them chose.
 */
import assert from 'node:assert/strict';
import type { Kernel } from '../../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { differenceOf } from '../../../demo/whole-model.ts';
import { bindGraph } from '../../../src/core/graph/bind.ts';
import { byVerdicts, type Verdicts } from '../../../src/core/graph/minimal-filtering.ts';
import { elementCount, fromFloat32, type Shape, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { fillNormal } from '../../../models/zoo/random.ts';
import { executePlan } from '../../../src/verify/execute.ts';
import { wholePlan } from '../../../src/verify/plans.ts';
import { CUT_TOLERANCE } from '../../support/bit-exact.ts';
import { MemoryMesh, MODEL_ID } from '../../support/memory-mesh.ts';
import { graphOf, node, value } from '../../unit/core/graph/small-graphs.ts';
import { ints } from '../../unit/core/ops/facts.ts';

const CHANNELS = 32;
const INPUT: Shape = [1, CHANNELS, 40, 40];
const NARROW = '32x24@40x40';
const WIDE = '24x40@40x40';
/** Of each peer. */
const VERDICTS: readonly Verdicts[] = [
  { [NARROW]: 'fast', [WIDE]: 'exact' },
  { [NARROW]: 'exact', [WIDE]: 'fast' },
  { [NARROW]: 'fast', [WIDE]: 'fast' },
];

function normal(seed: number, ...shape: Shape): Tensor {
  const values = new Float32Array(elementCount(shape));
  fillNormal(values, seed, 0, 0.1);
  return fromFloat32(shape, values);
}

describe('peers that measured layers differently', function () {
  this.timeout(Math.max(this.timeout(), 120_000));
  const same = { pads: ints(1, 1, 1, 1) };
  const graph = graphOf(
    [node('Conv', ['x', 'v'], ['a'], same), node('Relu', ['a'], ['b']), node('Conv', ['b', 'w'], ['c'], same)],
    [value('x', ...INPUT)],
    ['c'],
    {
      constants: new Map([
        ['v', normal(1, 24, CHANNELS, 3, 3)],
        ['w', normal(2, 40, 24, 3, 3)],
      ]),
    },
  );
  const inputs = (): Map<string, Tensor> => new Map([['x', normal(3, ...INPUT)]]);
  let kernel: Kernel;
  before(() => {
    kernel = createOnnxRuntimeKernel();
  });
  after(() => kernel.close());

  it('compute an answer as one of them would', async () => {
    const { signal } = new AbortController();
    const possible: ReadonlyMap<string, Tensor>[] = [];
    for (const verdicts of VERDICTS) {
      const bound = bindGraph(graph, inputs(), 'fast', byVerdicts(verdicts));
      const plan = wholePlan(bound, MODEL_ID);
      possible.push(await executePlan({ bound, plan, kernel, weights: null, inputs: inputs(), signal }));
    }
    assert.ok(differenceOf(possible[0]!, possible[1]!).maxRel > 0, 'the choice can be told from the answer');
    const mesh = new MemoryMesh({ peers: 3, kernel, graph, arithmetic: 'fast', verdicts: VERDICTS });
    try {
      for (let round = 0; round < 6; round++) {
        const { outputs } = await mesh.infer(round % 3, inputs(), 3);
        const apart = possible.map((own) => differenceOf(own, outputs).maxRel);
        assert.ok(Math.min(...apart) <= CUT_TOLERANCE, `apart by ${apart.join(', ')}`);
      }
    } finally {
      await mesh.stop();
    }
  });
});
