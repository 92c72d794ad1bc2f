/**
 * Whether rounding accounts for a difference. A kernel takes the sums of a part in another order than those of the whole, so
 * that last bits differ; and an operator that jumps (a Cast to half precision, Ceil, ArgMax) makes a whole step of a last
 * bit. No tolerance fits all graphs then. How far each element of an answer can be carried is measured instead: the graph is
 * run operator by operator, every result off by a few of its last bits at random, again and again. A fault of a cut is not
 * excused by that: it also shows where no last bit matters.
 */
import type { Kernel, WeightFile } from '../../kernels/kernel.ts';
import type { BoundGraph } from '../../src/core/graph/bind.ts';
import type { Program } from '../../src/core/program/program.ts';
import { float32Values, fromFloat32, numberValues, type Tensor } from '../../src/core/tensor/tensor.ts';
import { TOLERANCE } from '../../src/core/compare.ts';
import { cutPlan } from '../../src/verify/plans.ts';
import type { Bench } from './bench.ts';
import { randomOf, type Random } from './random.ts';

/** An element next to a jump falls on either side of it about every other time. */
const SAMPLES = 32;
/** Four steps of single precision, and by how much the runtime's own Sigmoid is off, however small its result is. */
const NOISE = { relative: 2 ** -21, absolute: 1.5e-7 };

/** Operators that give elements as they took them, or whole numbers: nothing is rounded there. */
const EXACT: ReadonlySet<string> = new Set([
  ...['Abs', 'Neg', 'Relu', 'Clip', 'Max', 'Min', 'Where', 'Identity', 'Dropout', 'Cast'],
  ...['Ceil', 'Floor', 'Round', 'Sign', 'Hardmax', 'TopK'],
  ...['MaxPool', 'GlobalMaxPool', 'ReduceMax', 'ReduceMin', 'Gather', 'Expand', 'Tile', 'Pad'],
  ...['Concat', 'Split', 'Slice', 'Transpose', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'],
  ...['DepthToSpace', 'SpaceToDepth'],
]);

const isExact = ({ nodes }: Program): boolean => nodes.every(({ op }) => EXACT.has(op));

/** The same numbers, all but zeros off by a few last bits. */
function disturb(source: Tensor, random: Random): Tensor {
  if (source.type !== 'float32') return source;
  const values = float32Values(source).map((value) => {
    const reach = value === 0 ? 0 : NOISE.relative * Math.abs(value) + NOISE.absolute;
    return value + (reach * random.integer(-1000, 1000)) / 1000;
  });
  return fromFloat32(source.shape, values);
}

const disturbAll = (tensors: ReadonlyMap<string, Tensor>, random: Random): ReadonlyMap<string, Tensor> =>
  new Map([...tensors].map(([name, tensor]) => [name, disturb(tensor, random)]));

/** A kernel that rounds otherwise than the given one. */
function disturbed(kernel: Kernel, random: Random): Kernel {
  const exact = new Set<string>();
  return {
    name: kernel.name,
    memoryBytes: kernel.memoryBytes,
    prepare: (program, weights, signal) => {
      if (isExact(program)) exact.add(program.key);
      return kernel.prepare(program, weights, signal);
    },
    run: async (key, inputs, signal) => {
      const result = await kernel.run(key, inputs, signal);
      return exact.has(key) ? result : { ...result, outputs: disturbAll(result.outputs, random) };
    },
    release: (key) => kernel.release(key),
    close: () => Promise.resolve(),
  };
}

/** Two answers that are too far apart to be taken for the same. */
export interface Doubt {
  readonly bound: BoundGraph;
  readonly weights: WeightFile | null;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** The output in question. */
  readonly name: string;
  readonly whole: Tensor;
  readonly answer: Tensor;
}

/** Whether every element of `answer` lies where rounding carries that of `whole`, or within the tolerance of that. */
export async function isRounding(bench: Bench, doubt: Doubt): Promise<boolean> {
  const { bound, weights, inputs, name, whole, answer } = doubt;
  if (answer.type !== whole.type || answer.shape.join() !== whole.shape.join()) return false;
  const expected = Float64Array.from(numberValues(whole));
  const actual = Float64Array.from(numberValues(answer));
  const largest = expected.reduce((most, own) => (Number.isFinite(own) ? Math.max(most, Math.abs(own)) : most), 0);
  const tolerance = Math.max(TOLERANCE.absolute, TOLERANCE.relative * largest);
  const cut = { axes: [0], counts: [1] };
  const plan = cutPlan({ bound, modelId: bench.freshModelId(), cut, weights: [1], blocks: 'atoms' });
  const least = expected.slice();
  const most = expected.slice();
  const isWithin = (own: number, index: number): boolean =>
    Object.is(own, expected[index]) || (own >= least[index]! - tolerance && own <= most[index]! + tolerance);
  for (let seed = 0; seed < SAMPLES; seed++) {
    const random = randomOf(seed);
    const sample = await bench.run(bound, plan, weights, disturbAll(inputs, random), disturbed(bench.kernel, random));
    for (const [index, own] of numberValues(sample.get(name)!).entries()) {
      least[index] = Math.min(least[index]!, own);
      most[index] = Math.max(most[index]!, own);
    }
    if (actual.every(isWithin)) return true;
  }
  return false;
}
