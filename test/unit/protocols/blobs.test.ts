import assert from 'node:assert/strict';
import { MAX_PIPELINED, MAX_SERVED_PER_PEER, PROTOCOL_ID } from '../../../protocols/blobs/constants.ts';
import type { BlobProvider } from '../../../protocols/blobs/server.ts';
import { blobs, type BlobsService } from '../../../protocols/blobs/service.ts';
import { BytePool } from '../../../protocols/byte-pool.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import type { ModelId, PeerId } from '../../../src/core/ids.ts';
import { memoryNetwork, type MemoryNetwork } from './memory-network.ts';

const MODEL = 'ab'.repeat(32) as ModelId;
const OTHER = 'cd'.repeat(32) as ModelId;

const filled = (byteLength: number, value: number): Uint8Array => new Uint8Array(byteLength).fill(value);
const ifKnown = (id: ModelId, bytes: Uint8Array): Promise<Uint8Array | null> =>
  Promise.resolve(id === MODEL ? bytes : null);

const PROVIDER: BlobProvider = {
  manifest: (id) => ifKnown(id, filled(100, 1)),
  graph: (id) => ifKnown(id, filled(2_500_000, 2)),
  have: (id) => ifKnown(id, filled(0, 0)),
  chunk: (id, index) => Promise.resolve(id === MODEL && index < 100 ? filled(1000 + index, index) : null),
};

interface End {
  readonly id: PeerId;
  readonly service: BlobsService;
}

async function open(network: MemoryNetwork, init: Parameters<typeof blobs>[0] = {}): Promise<[End, End]> {
  const ends = network.peers.map(({ id, components }) => ({ id, service: blobs(init)(components) }));
  await Promise.all(ends.map(({ service }) => service.start()));
  return ends as [End, End];
}

const { signal } = new AbortController();
const withCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof MeshError && error.code === code;

describe('protocols/blobs', () => {
  it('answers with manifest, graph in parts, and bitmap, empty ones included', async () => {
    const [a, b] = await open(await memoryNetwork(2));
    b.service.provide(PROVIDER);
    assert.deepEqual(await a.service.manifest(b.id, MODEL, signal), filled(100, 1));
    assert.equal(Buffer.compare((await a.service.graph(b.id, MODEL, signal))!, filled(2_500_000, 2)), 0);
    assert.equal((await a.service.have(b.id, MODEL, signal))?.byteLength, 0);
  });

  it('answers null for what is not held, and before anything is provided', async () => {
    const [a, b] = await open(await memoryNetwork(2));
    assert.equal(await a.service.manifest(b.id, MODEL, signal), null);
    b.service.provide(PROVIDER);
    assert.equal(await a.service.graph(b.id, OTHER, signal), null);
  });

  it('yields the chunks asked for in that order over one stream, leaving out what is not held', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = await open(network);
    b.service.provide(PROVIDER);
    const indices = [7, 3, 500, 99, 0, 1, 2];
    const received: [number, number, number | undefined][] = [];
    for await (const { index, bytes } of a.service.chunks(b.id, MODEL, indices, signal)) {
      received.push([index, bytes.byteLength, bytes.at(-1)]);
    }
    assert.deepEqual(
      received,
      indices.filter((index) => index < 100).map((index) => [index, 1000 + index, index]),
    );
    assert.equal(network.peers[0]!.opened.length, 1);
  });

  it('reads only a few chunks ahead of a consumer that takes its time', async () => {
    const [a, b] = await open(await memoryNetwork(2));
    let loaded = 0;
    const load = (_: ModelId, index: number): Promise<Uint8Array> => {
      loaded += 1;
      return Promise.resolve(filled(10, index));
    };
    b.service.provide({ ...PROVIDER, chunk: load });
    const indices = Array.from({ length: 50 }, (_, index) => index);
    let taken = 0;
    for await (const { index } of a.service.chunks(b.id, MODEL, indices, signal)) {
      taken += 1;
      assert.equal(index, taken - 1);
      // A whole exchange on another stream gives the server all the time it needs to run ahead, if it would.
      await a.service.manifest(b.id, MODEL, signal);
      assert.ok(loaded <= taken + MAX_PIPELINED, `${loaded} loaded, ${taken} taken`);
    }
    assert.equal(taken, 50);
  });

  it('passes on what the provider throws', async () => {
    const [a, b] = await open(await memoryNetwork(2));
    b.service.provide({
      ...PROVIDER,
      graph: () => Promise.reject(new MeshError('STORAGE_FAILED', 'the disk is gone')),
      have: () => Promise.resolve(filled(1024 * 1024 + 1, 0)),
    });
    await assert.rejects(a.service.graph(b.id, MODEL, signal), withCode('STORAGE_FAILED'));
    await assert.rejects(a.service.have(b.id, MODEL, signal), withCode('PAYLOAD_TOO_LARGE'));
  });

  it('refuses with OVERLOADED what exceeds the streams served for one peer', async () => {
    const [a, b] = await open(await memoryNetwork(2));
    const gate = Promise.withResolvers<Uint8Array>();
    b.service.provide({ ...PROVIDER, manifest: () => gate.promise });
    const held = Array.from({ length: MAX_SERVED_PER_PEER }, () => a.service.manifest(b.id, MODEL, signal));
    await assert.rejects(a.service.graph(b.id, MODEL, signal), withCode('OVERLOADED'));
    gate.resolve(filled(5, 5));
    for (const answer of await Promise.all(held)) assert.deepEqual(answer, filled(5, 5));
  });

  it('refuses with OVERLOADED what does not fit beside the answers to all peers', async () => {
    const queuePool = new BytePool(6_000_000);
    const [a, b] = await open(await memoryNetwork(2), { queuePool });
    b.service.provide(PROVIDER);
    const others = queuePool.shareOf('another peer' as PeerId);
    others.hold(4_000_000);
    await assert.rejects(a.service.graph(b.id, MODEL, signal), withCode('OVERLOADED'));
    assert.equal((await a.service.manifest(b.id, MODEL, signal))?.byteLength, 100);
    others.hold(0);
    assert.equal((await a.service.graph(b.id, MODEL, signal))?.byteLength, 2_500_000);
    for (let turn = 0; turn < 100 && queuePool.heldBytes > 0; turn++) await new Promise(setImmediate);
    assert.equal(queuePool.heldBytes, 0);
  });

  it('gives up with DEADLINE_EXCEEDED when nothing comes, and with CANCELLED when told to', async () => {
    const [a, b] = await open(await memoryNetwork(2), { answerTimeoutMs: 30 });
    b.service.provide({ ...PROVIDER, manifest: () => Promise.withResolvers<null>().promise });
    await assert.rejects(a.service.manifest(b.id, MODEL, signal), withCode('DEADLINE_EXCEEDED'));
    const controller = new AbortController();
    const asking = a.service.manifest(b.id, MODEL, controller.signal);
    controller.abort();
    await assert.rejects(asking, withCode('CANCELLED'));
    await assert.rejects(a.service.manifest(b.id, MODEL, controller.signal), withCode('CANCELLED'));
  });

  it('ends a stream on which nothing is asked', async () => {
    const network = await memoryNetwork(2);
    const [, b] = await open(network, { idleTimeoutMs: 20 });
    const [a] = network.peers;
    const connection = await a!.components.connectionManager.openConnection(network.peers[1]!.components.peerId);
    const stream = await connection.newStream(PROTOCOL_ID);
    await new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }));
    assert.notEqual(stream.status, 'open');
    assert.ok(b);
  });

  it('resets the stream and reports a client that asks too much at a time', async () => {
    const network = await memoryNetwork(2);
    const [, b] = await open(network);
    const reported = Promise.withResolvers<MeshError>();
    b.service.onViolation((_, error) => reported.resolve(error));
    b.service.provide({ ...PROVIDER, manifest: () => Promise.withResolvers<null>().promise });
    const connection = await network.peers[0]!.components.connectionManager.openConnection(
      network.peers[1]!.components.peerId,
    );
    const stream = await connection.newStream(PROTOCOL_ID);
    const request = Uint8Array.of(36, 0x0a, 32, ...filled(32, 0xab), 0x12, 0);
    for (let count = 0; count <= MAX_PIPELINED; count++) stream.send(request);
    assert.equal((await reported.promise).code, 'INVALID_MESSAGE');
  });
});
