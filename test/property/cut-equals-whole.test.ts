/** Any graph, cut in any way, gives what it gives whole. The number of graphs is set by TILEMESH_PROPERTY_RUNS. */
import fc from 'fast-check';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { Progress } from '../support/progress.ts';
import { openBench, type Bench } from './bench.ts';
import { assertTold, checkCase, cutCases, emptyTally } from './check-case.ts';
import { buildGraph, graphCases } from './random-graph.ts';

const RUNS = Number(process.env.TILEMESH_PROPERTY_RUNS ?? 2000);
const MS_PER_RUN = 500;

describe('cut equals whole', () => {
  let bench: Bench;
  before(() => {
    bench = openBench(createOnnxRuntimeKernel());
  });
  after(() => bench.close());

  it(`on ${RUNS} random graphs, by single operators, fused, and as planned`, async function () {
    this.timeout(Math.max(this.timeout(), 60_000 + RUNS * MS_PER_RUN));
    const tally = emptyTally();
    const progress = new Progress(RUNS);
    const property = fc.asyncProperty(graphCases, cutCases, async (described, cut) => {
      const random = buildGraph(described);
      if (random !== undefined) await checkCase(bench, random, cut, tally);
      progress.step();
    });
    const seed = process.env.TILEMESH_PROPERTY_SEED;
    await fc
      .assert(property, { numRuns: RUNS, ...(seed === undefined ? {} : { seed: Number(seed) }) })
      .finally(() => progress.end());
    console.log(`      ${JSON.stringify(tally)}`);
    assertTold(tally, RUNS);
  });
});
