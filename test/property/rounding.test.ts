/** Differences that rounding accounts for are told from those that it does not. */
import assert from 'node:assert/strict';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { bindGraph } from '../../src/core/graph/bind.ts';
import { float32Values, fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import { wholePlan } from '../../src/verify/plans.ts';
import { graphOf, node, value } from '../unit/core/graph/small-graphs.ts';
import { int } from '../unit/core/ops/facts.ts';
import { openBench, type Bench } from './bench.ts';
import { isRounding } from './rounding.ts';

/** A step of half precision from 1 on. */
const STEP = 2 ** -10;
/** The second element lies half-way between two numbers of half precision, all others on one. */
const X = fromFloat32([1, 4], [0.75, 1 + STEP / 2, -1.5, 0]);

describe('rounding', () => {
  let bench: Bench;
  before(() => {
    bench = openBench(createOnnxRuntimeKernel());
  });
  after(() => bench.close());

  /** Whether rounding accounts for what `change` makes of the answer of a graph that rounds to half precision and scales. */
  async function accountsFor(change: (answer: Float32Array) => void): Promise<boolean> {
    const nodes = [
      node('Cast', ['x'], ['h'], { to: int(10) }),
      node('Cast', ['h'], ['f'], { to: int(1) }),
      node('Add', ['f', 'f'], ['y']),
    ];
    const inputs = new Map<string, Tensor>([['x', X]]);
    const bound = bindGraph(graphOf(nodes, [value('x', ...X.shape)], ['y']), inputs);
    const whole = (await bench.run(bound, wholePlan(bound, bench.modelId), null, inputs)).get('y')!;
    const changed = float32Values(whole).slice();
    assert.deepEqual([...changed], [1.5, 2, -3, 0]);
    change(changed);
    return isRounding(bench, {
      bound,
      weights: null,
      inputs,
      name: 'y',
      whole,
      answer: fromFloat32(whole.shape, changed),
    });
  }

  it('accounts for a whole step of an element that lies between two steps', async () => {
    assert.equal(
      await accountsFor((answer) => {
        answer[1] = 2 + 2 * STEP;
      }),
      true,
    );
  });

  const faults: Readonly<Record<string, (answer: Float32Array) => void>> = {
    'for a step of any other element': (answer) => {
      answer[0]! += 2 * STEP;
    },
    'for a step the other way': (answer) => {
      answer[1]! -= 2 * STEP;
    },
    'for two steps': (answer) => {
      answer[1]! += 4 * STEP;
    },
    'for something in the place of nothing': (answer) => {
      answer[3] = 1e-5 * 4;
    },
    'for elements in each other’s place': (answer) => {
      answer.reverse();
    },
    'for what is no number': (answer) => {
      answer[1] = NaN;
    },
  };
  for (const [name, fault] of Object.entries(faults)) {
    it(`does not account ${name}`, async () => {
      assert.equal(await accountsFor(fault), false);
    });
  }
});
