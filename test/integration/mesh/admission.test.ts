/** Many requests at once to a few peers in one process: memory, deadlines, clients that leave, ids that come again. */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Kernel } from '../../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { MeshError } from '../../../src/core/errors.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import type { RequestId } from '../../../src/core/ids.ts';
import { fromFloat32, type Tensor } from '../../../src/core/tensor/tensor.ts';
import type { EntryResult } from '../../../src/mesh/entry-desk.ts';
import { MemoryMesh, type MemoryMeshOptions } from '../../support/memory-mesh.ts';
import { selfContained } from '../../support/self-contained.ts';

const PEERS = 3;
const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));
const ID = 'ab'.repeat(16) as RequestId;

describe('admission in a mesh', function () {
  this.timeout(120_000);
  let kernel: Kernel;
  let graph: Graph;
  let expected: Uint8Array;

  const digit = (seed: number): Map<string, Tensor> => {
    const values = Float32Array.from({ length: 28 * 28 }, (_, index) => ((index * seed) % 19 > 9 ? 1 : 0));
    return new Map([['image', fromFloat32([1, 1, 28, 28], values)]]);
  };
  const inputs = digit(37);
  const bytesOf = ({ outputs }: EntryResult): Uint8Array => [...outputs.values()][0]!.bytes;

  before(async () => {
    kernel = createOnnxRuntimeKernel();
    graph = await selfContained(LENET);
    expected = await withMesh({}, async (mesh) => bytesOf(await mesh.infer(0, inputs, 1)));
  });

  after(async () => {
    await kernel.close();
  });

  async function withMesh<Result>(
    options: Partial<MemoryMeshOptions>,
    use: (mesh: MemoryMesh) => Promise<Result>,
  ): Promise<Result> {
    const mesh = new MemoryMesh({ peers: PEERS, kernel, graph, ...options });
    try {
      return await use(mesh);
    } finally {
      await mesh.stop();
    }
  }

  /** Nothing is in hand anywhere. */
  async function quiet(mesh: MemoryMesh): Promise<void> {
    const busy = (): boolean =>
      mesh.peers.some(({ actors: { entry, coordinator, worker } }) =>
        [entry.load, entry.waiting, coordinator.load, worker.load, worker.reserved].some((held) => held > 0),
      );
    for (let turn = 0; busy(); turn++) {
      assert.ok(turn < 500, 'something is still in hand');
      await setTimeout(20);
    }
  }

  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    try {
      await work;
      return 'answered';
    } catch (error) {
      assert.ok(error instanceof MeshError, String(error));
      return error.code;
    }
  };

  /** A kernel that computes when it is let to. */
  function heldKernel(): { readonly kernel: Kernel; readonly release: () => void } {
    const gate = Promise.withResolvers<undefined>();
    const run: Kernel['run'] = async (key, feeds, signal) => {
      const stopped = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
      await Promise.race([gate.promise, stopped]);
      return kernel.run(key, feeds, signal);
    };
    return {
      kernel: new Proxy(kernel, {
        get: (target, name) => {
          if (name === 'run') return run;
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      }),
      release: () => gate.resolve(undefined),
    };
  }

  it('requests that do not fit into memory together are answered one after the other, and none is stuck', async () => {
    let refusals = 0;
    const onMessage = (_from: string, _to: string, message: { readonly kind: string }): undefined => {
      if (message.kind === 'refuse') refusals += 1;
    };
    // Every peer has room for one share at a time.
    await withMesh({ mapBytes: 1, onMessage }, async (mesh) => {
      const asked = Array.from({ length: 24 }, (_, index) => mesh.infer(index % PEERS, inputs, PEERS));
      for (const result of await Promise.all(asked)) assert.deepEqual(bytesOf(result), expected);
      assert.ok(refusals > 0, 'memory was scarce');
      await quiet(mesh);
    });
  });

  it('what is beyond the bounds of the entry is refused with a time to come back, the rest is answered', async () => {
    const limits = { maxConcurrent: 1, maxQueued: 10 };
    await withMesh({ limits }, async (mesh) => {
      const asked = Array.from({ length: 100 }, (_, index) =>
        mesh.infer(0, inputs, 1, { client: `client ${index}` }).catch((error: unknown) => error),
      );
      const results = await Promise.all(asked);
      const refused = results.filter((result) => result instanceof MeshError);
      assert.equal(results.length - refused.length, PEERS + limits.maxQueued);
      assert.ok(refused.every(({ code, details }) => code === 'OVERLOADED' && Number(details.retryAfterMs) >= 0));
      await quiet(mesh);
      assert.equal(mesh.peers[0]!.actors.entry.refusal('anybody'), undefined);
    });
  });

  it('a client that leaves stops its request everywhere, whether it ran or waited', async () => {
    const held = heldKernel();
    await withMesh({ kernel: held.kernel, limits: { maxConcurrent: 1 } }, async (mesh) => {
      const leaving = new AbortController();
      const { signal } = leaving;
      const asked = Array.from({ length: PEERS + 4 }, () => codeOf(mesh.infer(0, inputs, PEERS, { signal })));
      while (mesh.peers.some(({ actors }) => actors.worker.load < PEERS)) await setTimeout(10);
      assert.equal(mesh.peers[0]!.actors.entry.waiting, 4);
      leaving.abort(new MeshError('CANCELLED', 'the client hung up'));
      assert.deepEqual(new Set(await Promise.all(asked)), new Set(['CANCELLED']));
      await quiet(mesh);
    });
  });

  it('participants drop a request at its deadline, though nobody tells them to', async () => {
    const held = heldKernel();
    const onMessage = (_from: string, _to: string, { kind }: { readonly kind: string }): number | undefined =>
      kind === 'abort' || kind === 'cancel' ? 300_000 : undefined;
    await withMesh({ kernel: held.kernel, onMessage }, async (mesh) => {
      const asked = mesh.infer(0, inputs, PEERS, { deadlineMs: 700 });
      assert.equal(await codeOf(asked), 'DEADLINE_EXCEEDED');
      await quiet(mesh);
    });
  });

  describe('the same id again', () => {
    const named = { requestId: ID, isNamed: true };

    it('shares the run, and brings the answer without another one afterwards', async () => {
      let proposals = 0;
      const onMessage = (_from: string, _to: string, { kind }: { readonly kind: string }): undefined => {
        if (kind === 'propose') proposals += 1;
      };
      await withMesh({ onMessage }, async (mesh) => {
        const first = mesh.infer(0, inputs, 1, named);
        const second = mesh.infer(0, inputs, 1, named);
        assert.equal((await first).outputs, (await second).outputs);
        assert.equal((await mesh.infer(0, inputs, 1, named)).outputs, (await first).outputs);
        assert.equal(proposals, 1);
      });
    });

    it('is answered for one client though the other leaves, and stops when both have left', async () => {
      const held = heldKernel();
      await withMesh({ kernel: held.kernel }, async (mesh) => {
        const leaving = new AbortController();
        const first = codeOf(mesh.infer(0, inputs, 1, { ...named, signal: leaving.signal }));
        const second = mesh.infer(0, inputs, 1, named);
        leaving.abort(new MeshError('CANCELLED', 'the client hung up'));
        assert.equal(await first, 'CANCELLED');
        held.release();
        assert.deepEqual(bytesOf(await second), expected);
      });
      const stuck = heldKernel();
      await withMesh({ kernel: stuck.kernel }, async (mesh) => {
        const leaving = new AbortController();
        const both = [0, 1].map(() => codeOf(mesh.infer(0, inputs, 1, { ...named, signal: leaving.signal })));
        await setTimeout(50);
        leaving.abort(new MeshError('CANCELLED', 'the clients hung up'));
        assert.deepEqual(await Promise.all(both), ['CANCELLED', 'CANCELLED']);
        await quiet(mesh);
        const again = mesh.infer(0, inputs, 1, named);
        stuck.release();
        assert.deepEqual(bytesOf(await again), expected);
      });
    });

    it('with another question is a conflict', async () => {
      await withMesh({}, async (mesh) => {
        const first = mesh.infer(0, inputs, 1, named);
        assert.equal(await codeOf(mesh.infer(0, digit(41), 1, named)), 'CONFLICT');
        await first;
        assert.equal(await codeOf(mesh.infer(0, digit(41), 1, named)), 'CONFLICT');
      });
    });
  });
});
