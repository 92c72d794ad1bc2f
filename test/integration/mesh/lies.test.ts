/** A peer in the mesh that computes wrongly, by mistake or on purpose, among honest ones with kernels of two kinds. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { InferenceSession } from 'onnxruntime-node';
import type { Kernel } from '../../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { createWasmKernel } from '../../../kernels/wasm/kernel.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import { float32Values, fromFloat32, type Tensor } from '../../../src/core/tensor/tensor.ts';
import type { EntryResult } from '../../../src/mesh/entry-desk.ts';
import { spoilingKernel } from '../../support/lying-kernel.ts';
import { MemoryMesh, type MemoryMeshOptions } from '../../support/memory-mesh.ts';
import { selfContained } from '../../support/self-contained.ts';
import { runSession } from '../../support/whole-session.ts';

const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));
const PEERS = 4;
const LIAR = 2;
const HONEST = [0, 1, 3];
/** Of the largest value. */
const TOLERANCE = 1e-4;

const picture = (seed: number): Map<string, Tensor> => {
  const values = Float32Array.from({ length: 28 * 28 }, (_, index) => (((index + seed) * (37 + seed)) % 19) / 19);
  return new Map([['image', fromFloat32([1, 1, 28, 28], values)]]);
};

const scale = (factor: number) => (values: DataView) => {
  for (let at = 0; at < values.byteLength; at += 4) values.setFloat32(at, values.getFloat32(at, true) * factor, true);
};
const LIES = {
  grossly: (values: DataView) => values.setFloat32(0, 1e6, true),
  slightly: scale(1.001),
  'at random times': (values: DataView, run: number) => {
    if (run % 3 === 1) values.setFloat32(0, 1e6, true);
  },
  'without numbers': (values: DataView) => values.setFloat32(0, NaN, true),
  'with the opposite': scale(-1),
} as const;

describe('a peer that lies', function () {
  this.timeout(300_000);
  let honest: Kernel;
  let other: Kernel;
  let graph: Graph;
  let session: InferenceSession;

  before(async () => {
    honest = createOnnxRuntimeKernel();
    other = createWasmKernel();
    graph = await selfContained(LENET);
    session = await InferenceSession.create(LENET);
  });

  after(async () => {
    await Promise.all([honest.close(), other.close(), session.release()]);
  });

  const create = (options: Partial<MemoryMeshOptions> = {}): MemoryMesh =>
    new MemoryMesh({ peers: PEERS, kernel: honest, graph, ...options });

  const withLiar = (
    spoil: Parameters<typeof spoilingKernel>[1],
    options: Partial<MemoryMeshOptions> = {},
  ): MemoryMesh => create({ kernels: { [LIAR]: spoilingKernel(honest, spoil), 3: other }, ...options });

  async function assertRight(inputs: ReadonlyMap<string, Tensor>, { outputs }: EntryResult): Promise<void> {
    const values = float32Values(outputs.get('probabilities')!);
    const truth = float32Values((await runSession(session, inputs)).get('probabilities')!);
    const largest = Math.max(...truth.map(Math.abs));
    for (const [index, value] of values.entries()) {
      assert.ok(Math.abs(value - truth[index]!) <= TOLERANCE * largest, `${value} instead of ${truth[index]!}`);
    }
  }

  const liarOf = ({ peers }: MemoryMesh): string => peers[LIAR]!.id;
  const convictsOf = (mesh: MemoryMesh, entry: number): string[] => [...mesh.peers[entry]!.convicted.keys()];
  const accused = (mesh: MemoryMesh): string[] => [...new Set(HONEST.flatMap((entry) => convictsOf(mesh, entry)))];

  for (const [how, spoil] of Object.entries(LIES)) {
    for (const parallelism of [1, PEERS]) {
      it(`${how} over ${parallelism} peers changes no verified answer, and is convicted where it tried`, async () => {
        // It is the fastest, so what is not cut goes to it.
        const mesh = withLiar(spoil, { speeds: [1, 1, 8, 1] });
        try {
          for (let round = 0; round < 12; round++) {
            const inputs = picture(round);
            const result = await mesh.infer(HONEST[round % HONEST.length]!, inputs, parallelism, { isVerified: true });
            await assertRight(inputs, result);
            assert.ok((result.report.verification?.confirmedBy.length ?? 0) > 0);
          }
          assert.deepEqual(accused(mesh), [liarOf(mesh)]);
        } finally {
          await mesh.stop();
        }
      });
    }
  }

  it('only where work is cut is convicted all the same', async () => {
    const spoil: Parameters<typeof spoilingKernel>[1] = (values, _run, outputs) => {
      if (!outputs.has('probabilities')) values.setFloat32(0, 1e6, true);
    };
    const mesh = withLiar(spoil);
    try {
      for (let round = 0; round < 12; round++) {
        const inputs = picture(round);
        await assertRight(inputs, await mesh.infer(0, inputs, PEERS, { isVerified: true }));
      }
      assert.deepEqual(convictsOf(mesh, 0), [liarOf(mesh)]);
    } finally {
      await mesh.stop();
    }
  });

  it('is not given anything more by whoever convicted it, nor by others for its requests', async () => {
    const mesh = withLiar(LIES.grossly);
    try {
      await mesh.infer(0, picture(0), PEERS, { isVerified: true });
      assert.deepEqual(convictsOf(mesh, 0), [liarOf(mesh)]);
      for (let round = 0; round < 12; round++) {
        const { report } = await mesh.infer(0, picture(round), PEERS);
        const computed = report.blocks.flatMap(({ parts }) => parts.map(({ peer }) => peer as string));
        assert.ok(!computed.includes(liarOf(mesh)));
      }
    } finally {
      await mesh.stop();
    }
  });

  it('at every turn is found by a share of 1 %, and nobody else is accused', async function () {
    const mesh = withLiar(LIES.grossly, { verifiedShare: 0.01 });
    // Not found in so many with a probability of 1e-9.
    const most = 2_100;
    let asked = 0;
    try {
      while (convictsOf(mesh, 0).length === 0 && asked < most) {
        asked += 1;
        await mesh.infer(0, picture(asked), PEERS);
      }
      // The last ones may still be verified.
      for (let wait = 0; wait < 100 && convictsOf(mesh, 0).length === 0; wait++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.deepEqual(convictsOf(mesh, 0), [liarOf(mesh)]);
      process.stdout.write(`      found in the request ${asked} of one entry\n`);
    } finally {
      await mesh.stop();
    }
  });

  it('is not who computes with another kernel, another arithmetic or another cut', async () => {
    let asked = 0;
    for (const arithmetic of ['exact', 'fast'] as const) {
      const mesh = create({ kernels: { 1: other, 3: other }, arithmetic });
      const request = fc.record({
        entry: fc.nat(PEERS - 1),
        seed: fc.nat(10_000),
        parallelism: fc.constantFrom(0, 1, 2, 3, PEERS),
      });
      try {
        await fc.assert(
          fc.asyncProperty(request, async ({ entry, seed, parallelism }) => {
            asked += 1;
            const inputs = picture(seed);
            const result = await mesh.infer(entry, inputs, parallelism, { isVerified: true });
            await assertRight(inputs, result);
            assert.equal(result.report.verification?.isCorrected, false);
            for (const peer of mesh.peers) assert.equal(peer.convicted.size, 0);
          }),
          { numRuns: 100 },
        );
      } finally {
        await mesh.stop();
      }
    }
    assert.ok(asked >= 200);
  });
});
