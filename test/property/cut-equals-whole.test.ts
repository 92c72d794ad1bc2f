/** Any graph, cut in any way, gives what it gives whole. The number of graphs is set by TILEMESH_PROPERTY_RUNS. */
import fc from 'fast-check';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { openBench, type Bench } from './bench.ts';
import { checkCase, emptyTally, type CutCase } from './check-case.ts';
import { buildGraph, graphCases } from './random-graph.ts';

const RUNS = Number(process.env.TILEMESH_PROPERTY_RUNS ?? 2000);
const MS_PER_RUN = 500;

const cuts: fc.Arbitrary<CutCase> = fc.record({
  axis: fc.constantFrom(0, 1, 2, 2, 2, 3, 3, 4),
  isGrid: fc.boolean(),
  weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 }),
});

describe('cut equals whole', () => {
  let bench: Bench;
  before(() => {
    bench = openBench(createOnnxRuntimeKernel());
  });
  after(() => bench.close());

  it(`on ${RUNS} random graphs, by single operators, fused, and as planned`, async function () {
    this.timeout(Math.max(this.timeout(), 60_000 + RUNS * MS_PER_RUN));
    const tally = emptyTally();
    const property = fc.asyncProperty(graphCases, cuts, async (described, cut) => {
      const random = buildGraph(described);
      if (random !== undefined) await checkCase(bench, random, cut, tally);
    });
    const seed = process.env.TILEMESH_PROPERTY_SEED;
    await fc.assert(property, { numRuns: RUNS, ...(seed === undefined ? {} : { seed: Number(seed) }) });
    console.log(`      ${JSON.stringify(tally)}`);
  });
});
