/**
 * A request over three peers in one process, with a peer taken away at each of its pieces and messages in turn: first the one that sends
 * it, then the one that is to receive it, then the one that coordinates. Once with everything still to be prepared, and once
 * with everything prepared, when nobody waits until all are ready. The entry stays; the answer is the same every time.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import type { Kernel } from '../../../kernels/kernel.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import type { PeerId } from '../../../src/core/ids.ts';
import { fromFloat32, zeros, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { MemoryMesh } from '../../support/memory-mesh.ts';
import { selfContained } from '../../support/self-contained.ts';

const PEERS = 3;
const ENTRY = 0;
const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));

type Role = 'sender' | 'receiver' | 'coordinator';

describe('a peer is lost at every piece and message of a request', function () {
  this.timeout(120_000);
  let kernel: Kernel;
  let graph: Graph;
  let inputs: Map<string, Tensor>;
  let expected: Uint8Array;
  /** Pieces and messages of a request. */
  let moments: number;

  before(async () => {
    kernel = createOnnxRuntimeKernel();
    graph = await selfContained(LENET);
    const values = Float32Array.from({ length: 28 * 28 }, (_, index) => ((index * 37) % 19 > 9 ? 1 : 0));
    inputs = new Map([['image', fromFloat32([1, 1, 28, 28], values)]]);
    moments = 0;
    expected = await infer(true, () => {
      moments += 1;
      return undefined;
    });
    assert.notDeepEqual(expected, zeros('float32', [1, 10]).bytes);
  });

  after(async () => {
    await kernel.close();
  });

  type Moment = Readonly<Record<Role, PeerId | undefined>>;

  /** One request in a mesh of its own, in which another one went before where all is to be prepared. */
  async function infer(isPrepared: boolean, victimOf: (moment: Moment) => PeerId | undefined): Promise<Uint8Array> {
    let isOn = !isPrepared;
    let coordinator: PeerId | undefined;
    const pass = (sender: PeerId, receiver: PeerId): void => {
      const victim = isOn ? victimOf({ sender, receiver, coordinator }) : undefined;
      if (victim !== undefined && victim !== mesh.peers[ENTRY]!.id) mesh.kill(victim);
    };
    const mesh: MemoryMesh = new MemoryMesh({
      peers: PEERS,
      kernel,
      graph,
      onPiece: pass,
      onMessage: (from, to, message) => {
        if (message.kind === 'accept') coordinator = from;
        pass(from, to);
        return undefined;
      },
    });
    try {
      if (isPrepared) await mesh.infer(ENTRY, inputs, PEERS);
      isOn = true;
      const { outputs } = await mesh.infer(ENTRY, inputs, PEERS);
      return [...outputs.values()][0]!.bytes;
    } finally {
      await mesh.stop();
    }
  }

  for (const isPrepared of [false, true]) {
    describe(isPrepared ? 'with all prepared' : 'with nothing prepared', () => {
      for (const role of ['sender', 'receiver', 'coordinator'] as const) {
        it(`its ${role}, and the same answer comes`, async () => {
          assert.ok(moments > 10, `${moments} pieces and messages`);
          for (let fatal = 1; fatal <= moments; fatal++) {
            let seen = 0;
            const answer = await infer(isPrepared, (moment) => {
              seen += 1;
              return seen === fatal ? moment[role] : undefined;
            });
            assert.deepEqual(answer, expected, `another answer with the ${role} lost at moment ${fatal}`);
          }
        });
      }

      it('both others, one after the other, and the entry answers alone', async () => {
        let seen = 0;
        const answer = await infer(isPrepared, ({ sender, receiver }) => {
          seen += 1;
          return seen % 7 === 0 ? (seen % 2 === 0 ? sender : receiver) : undefined;
        });
        assert.deepEqual(answer, expected);
      });
    });
  }
});
