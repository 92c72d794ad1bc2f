/**
 * A request over three peers in one process, with a peer taken away at each of its pieces in turn: first the one that sends
 * it, then the one that is to receive it. The entry stays; the answer is the same every time.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { readFile } from 'node:fs/promises';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import type { Kernel } from '../../../kernels/kernel.ts';
import { decodeModel } from '../../../models/onnx/decode.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import type { PeerId } from '../../../src/core/ids.ts';
import { fromFloat32, zeros, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { MemoryMesh } from '../../support/memory-mesh.ts';

const PEERS = 3;
const ENTRY = 0;
const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));

/** The graph with all weights inside, so that no weight file is needed. */
async function selfContained(path: string): Promise<Graph> {
  const decoded = decodeModel(new Uint8Array(await readFile(path)));
  const { graph } = decoded;
  const constants = new Map(graph.constants);
  for (const [name, { type, shape }] of graph.weights) {
    constants.set(name, { type, shape, bytes: decoded.weightBytes(name) as Uint8Array });
  }
  return { ...graph, constants, weights: new Map() };
}

describe('a peer is lost at every piece of a request', function () {
  this.timeout(120_000);
  let kernel: Kernel;
  let graph: Graph;
  let inputs: Map<string, Tensor>;
  let expected: Uint8Array;
  let pieces: number;

  before(async () => {
    kernel = createOnnxRuntimeKernel();
    graph = await selfContained(LENET);
    const values = Float32Array.from({ length: 28 * 28 }, (_, index) => ((index * 37) % 19 > 9 ? 1 : 0));
    inputs = new Map([['image', fromFloat32([1, 1, 28, 28], values)]]);
    pieces = 0;
    expected = await infer(() => {
      pieces += 1;
      return undefined;
    });
    assert.notDeepEqual(expected, zeros('float32', [1, 10]).bytes);
  });

  after(async () => {
    await kernel.close();
  });

  async function infer(victimOf: (from: PeerId, to: PeerId) => PeerId | undefined): Promise<Uint8Array> {
    const mesh: MemoryMesh = new MemoryMesh({
      peers: PEERS,
      kernel,
      graph,
      onPiece: (from, to) => {
        const victim = victimOf(from, to);
        if (victim !== undefined && victim !== mesh.peers[ENTRY]!.id) mesh.kill(victim);
      },
    });
    try {
      const { outputs } = await mesh.infer(ENTRY, inputs, PEERS);
      return [...outputs.values()][0]!.bytes;
    } finally {
      await mesh.stop();
    }
  }

  for (const role of ['sender', 'receiver'] as const) {
    it(`its ${role}, and the same answer comes`, async () => {
      assert.ok(pieces > 10, `${pieces} pieces`);
      for (let fatal = 1; fatal <= pieces; fatal++) {
        let seen = 0;
        const answer = await infer((from, to) => {
          seen += 1;
          return seen === fatal ? (role === 'sender' ? from : to) : undefined;
        });
        assert.deepEqual(answer, expected, `another answer with the ${role} of piece ${fatal} lost`);
      }
    });
  }

  it('both others, one after the other, and the entry answers alone', async () => {
    let seen = 0;
    const answer = await infer((from, to) => {
      seen += 1;
      return seen % 7 === 0 ? (seen % 2 === 0 ? from : to) : undefined;
    });
    assert.deepEqual(answer, expected);
  });
});
