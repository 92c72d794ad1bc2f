/** Random graphs in half precision, cut in any way, give what they give whole. As many as TILEMESH_PROPERTY_RUNS by four. */
import fc from 'fast-check';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import type { Node } from '../../src/core/graph/graph.ts';
import { HALF_TOLERANCE } from '../../src/core/compare.ts';
import { halved } from '../support/half-graph.ts';
import { Progress } from '../support/progress.ts';
import { openBench, type Bench } from './bench.ts';
import { assertTold, checkCase, cutCases, emptyTally } from './check-case.ts';
import { buildGraph, graphCases } from './random-graph.ts';

const RUNS = Math.ceil(Number(process.env.TILEMESH_PROPERTY_RUNS ?? 2000) / 4);
const MS_PER_RUN = 500;
/** Random graphs also normalise what is all but constant, and that makes a rounding several times larger. */
const TOLERANCE = { relative: 2 * HALF_TOLERANCE.relative, absolute: 2 * HALF_TOLERANCE.absolute };

/** Operators that jump: there a rounding more or less decides over another answer, so that there is nothing to compare. */
const JUMPING: ReadonlySet<string> = new Set([
  ...['Ceil', 'Floor', 'Round', 'Sign', 'ThresholdedRelu', 'Shrink', 'Greater', 'Less', 'ArgMax', 'ArgMin', 'Hardmax'],
  'TopK',
]);
/** Single precision is all that they take. */
const QUANTIZED = /Quantize|QLinear|Integer/;
const WHOLE_NUMBERS: readonly number[] = [6, 7];

function isComparable({ op, outputs, attributes }: Node): boolean {
  if (op === 'MaxPool') return outputs.length === 1;
  if (op === 'Cast') return attributes.to?.kind === 'int' && !WHOLE_NUMBERS.includes(attributes.to.value);
  return !JUMPING.has(op) && !QUANTIZED.test(op);
}

describe('cut equals whole in half precision', () => {
  let bench: Bench;
  before(() => {
    bench = openBench(createOnnxRuntimeKernel());
  });
  after(() => bench.close());

  it(`on ${RUNS} random graphs, within a few steps of the largest value`, async function () {
    this.timeout(60_000 + RUNS * MS_PER_RUN);
    const tally = emptyTally();
    const progress = new Progress(RUNS);
    const property = fc.asyncProperty(graphCases, cutCases, async (described, cut) => {
      const random = buildGraph(described);
      fc.pre(random?.graph.nodes.every(isComparable) === true);
      await checkCase(bench, halved(random), cut, tally, TOLERANCE);
      progress.step();
    });
    const seed = process.env.TILEMESH_PROPERTY_SEED;
    await fc
      .assert(property, { numRuns: RUNS, maxSkipsPerRun: 20, ...(seed === undefined ? {} : { seed: Number(seed) }) })
      .finally(() => progress.end());
    console.log(`      ${JSON.stringify(tally)}`);
    assertTold(tally, RUNS);
  });
});
