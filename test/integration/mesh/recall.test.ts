/** The same request id at several peers: one run, one answer, and what becomes of it when peers are lost. */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Kernel } from '../../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { rankCandidates } from '../../../src/core/election/rendezvous.ts';
import { MeshError } from '../../../src/core/errors.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import type { PeerId, RequestId } from '../../../src/core/ids.ts';
import { fromFloat32, type Tensor } from '../../../src/core/tensor/tensor.ts';
import type { EntryResult } from '../../../src/mesh/entry-desk.ts';
import { MemoryMesh, type MemoryMeshOptions } from '../../support/memory-mesh.ts';
import { selfContained } from '../../support/self-contained.ts';

const PEERS = 4;
const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));

describe('the same request id at several peers', function () {
  this.timeout(120_000);
  let kernel: Kernel;
  let graph: Graph;
  let proposals: number;
  let mesh: MemoryMesh;

  const digit = (seed: number): Map<string, Tensor> => {
    const values = Float32Array.from({ length: 28 * 28 }, (_, index) => ((index * seed) % 19 > 9 ? 1 : 0));
    return new Map([['image', fromFloat32([1, 1, 28, 28], values)]]);
  };
  const inputs = digit(37);
  const bytesOf = ({ outputs }: EntryResult): Uint8Array => [...outputs.values()][0]!.bytes;

  before(async () => {
    kernel = createOnnxRuntimeKernel();
    graph = await selfContained(LENET);
  });

  after(async () => {
    await kernel.close();
  });

  beforeEach(() => {
    proposals = 0;
  });

  afterEach(async () => {
    await mesh.stop();
  });

  const start = (options: Partial<MemoryMeshOptions> = {}): void => {
    const onMessage = (_from: PeerId, _to: PeerId, { kind }: { readonly kind: string }): undefined => {
      if (kind === 'propose') proposals += 1;
    };
    mesh = new MemoryMesh({ peers: PEERS, kernel, graph, onMessage, ...options });
  };

  /** Ids whose keepers are such peers, first and second, by index. */
  function idKeptBy(isRight: (first: number, second: number) => boolean): RequestId {
    const candidates = mesh.peers.map(({ id }) => ({ peer: id, weight: 1 }));
    for (let seed = 1; ; seed++) {
      const id = seed.toString(16).padStart(32, '0') as RequestId;
      const [first, second] = rankCandidates(id, candidates).map((peer) =>
        mesh.peers.findIndex(({ id }) => id === peer),
      );
      if (isRight(first!, second!)) return id;
    }
  }

  const ask = (peer: number, requestId: RequestId, question = inputs): Promise<EntryResult> =>
    mesh.infer(peer, question, 1, { requestId, isNamed: true, deadlineMs: 20_000 });

  it('brings one answer from one run, one after the other and all at once', async () => {
    start();
    for (let index = 0; index < 8; index++) {
      proposals = 0;
      const id = index.toString(16).padStart(32, 'f') as RequestId;
      const before = index % 2 === 0 ? [await ask(index % PEERS, id)] : [];
      const results = await Promise.all([0, 1, 2, 3, 0, 2].map((peer) => ask(peer, id)));
      assert.equal(proposals, 1);
      for (const result of [...before, ...results]) assert.deepEqual(result, results[0]);
    }
  });

  it('with another question is a conflict at every peer', async () => {
    start();
    const id = idKeptBy(() => true);
    await ask(0, id);
    for (let peer = 0; peer < PEERS; peer++) {
      await assert.rejects(
        ask(peer, id, digit(41)),
        (error) => error instanceof MeshError && error.code === 'CONFLICT',
      );
    }
  });

  it('costs nothing where the client chose no id', async () => {
    let messages = 0;
    start({
      onAnswerMessage: () => {
        messages += 1;
        return undefined;
      },
    });
    await mesh.infer(0, inputs, 1);
    assert.equal(messages, 0);
    await ask(
      0,
      idKeptBy((first, second) => first === 0 && second === 1),
    );
    assert.equal(messages, 1, 'the second keeper is told');
  });

  it('is still computed once when the first keeper is lost: the second one knows', async () => {
    start();
    const id = idKeptBy((first, second) => first === 2 && second === 3);
    const answer = await ask(0, id);
    mesh.kill(mesh.peers[2]!.id);
    await setTimeout(20);
    assert.deepEqual(await ask(1, id), answer);
    assert.equal(proposals, 1);
  });

  it('is computed again with the same answer when its owner is lost, before and after it has answered', async () => {
    start();
    const [first, second] = [5, 6].map((seed) => seed.toString(16).padStart(32, 'e') as RequestId);
    const answer = await ask(0, first!);
    const dying = ask(0, second!).catch(() => undefined);
    const waiting = ask(1, second!);
    mesh.kill(mesh.peers[0]!.id);
    assert.deepEqual(bytesOf(await ask(1, first!)), bytesOf(answer));
    assert.deepEqual(bytesOf(await waiting), bytesOf(answer));
    mesh.peers[0]!.actors.stop();
    await dying;
  });

  it('is answered though its keepers say nothing', async () => {
    start({ onAnswerMessage: (_from, _to, { kind }) => (kind === 'verdict' ? 300_000 : undefined) });
    const id = idKeptBy((first, second) => first === 2 && second === 3);
    const [one, other] = await Promise.all([ask(0, id), ask(1, id)]);
    assert.deepEqual(bytesOf(one), bytesOf(other));
  });

  it('asks the second keeper where the first one takes its time, and is computed once', async () => {
    const claims: PeerId[] = [];
    start({
      onAnswerMessage: (_from, to, message) => {
        // Not those that are told what another keeper has granted.
        if (message.kind !== 'claim' || message.granted > 0) return undefined;
        claims.push(to);
        return to === mesh.peers[1]!.id ? 400 : undefined;
      },
    });
    const id = idKeptBy((first, second) => first === 1 && second === 2);
    const first = await ask(0, id);
    assert.deepEqual(claims, [mesh.peers[1]!.id, mesh.peers[2]!.id]);
    assert.deepEqual((await ask(3, id)).outputs, first.outputs);
    assert.equal(proposals, 1);
  });

  it('is asked for again when the run it waited for fails', async () => {
    start();
    const id = idKeptBy((first) => first === 3);
    const leaving = new AbortController();
    const first = mesh.infer(0, inputs, 1, { requestId: id, isNamed: true, signal: leaving.signal });
    first.catch(() => undefined);
    const second = ask(1, id);
    leaving.abort(new MeshError('CANCELLED', 'the client hung up'));
    const third = await ask(2, id);
    assert.deepEqual(bytesOf(await second), bytesOf(third));
  });
});
