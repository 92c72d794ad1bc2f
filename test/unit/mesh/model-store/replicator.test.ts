import assert from 'node:assert/strict';
import { asPeerId, type ModelId } from '../../../../src/core/ids.ts';
import { bitIndices } from '../../../../src/core/placement/bitmap.ts';
import { chunksToHold } from '../../../../src/core/placement/rendezvous.ts';
import { FETCHER_LIMITS, ModelFetcher } from '../../../../src/mesh/model-store/fetcher.ts';
import { Replicator, REPLICATOR_DEFAULTS, type ReplicatorPorts } from '../../../../src/mesh/model-store/replicator.ts';
import { cleanUp, importSmall, openStore } from './small-model.ts';
import { Neighbours } from './sources.ts';

const signal = new AbortController().signal;
const self = asPeerId('self');
const members = ['a', 'b', 'c', 'd', 'e'].map(asPeerId).concat(self);

async function setUp(ports: Partial<ReplicatorPorts> = {}, options: Partial<typeof REPLICATOR_DEFAULTS> = {}) {
  const full = await openStore();
  const model = await importSmall(full);
  const store = await openStore();
  const neighbours = new Neighbours();
  neighbours.add('a', full);
  const fetcher = new ModelFetcher({ store, source: neighbours, holders: () => neighbours.holders() }, FETCHER_LIMITS);
  const slept: number[] = [];
  const replicator = new Replicator(
    {
      self,
      store,
      fetcher,
      models: () => [model.id],
      members: () => members,
      hasRoomFor: () => true,
      isIdle: () => true,
      sleep: (ms) => (slept.push(ms), Promise.resolve()),
      ...ports,
    },
    { ...REPLICATOR_DEFAULTS, ...options },
  );
  return { full, model, store, neighbours, replicator, slept };
}

describe('replicator', () => {
  afterEach(cleanUp);

  it('fetches just what this peer should hold', async () => {
    const { model, store, replicator } = await setUp({}, { copies: 3 });
    await replicator.replicate(signal);
    assert.deepEqual(bitIndices(store.have(model.id), 3), chunksToHold(model.id, 3, members, self, 3));
  });

  it('holds everything in a mesh smaller than the number of copies', async () => {
    const { model, store, replicator } = await setUp({ members: () => [self, asPeerId('a')] });
    await replicator.replicate(signal);
    assert.equal(store.get(model.id).bytesHeld, model.manifest.blob.byteLength);
  });

  it('keeps to its rate: waits after each batch as long as the bytes should take', async () => {
    const { model, replicator, slept } = await setUp(
      { members: () => [self] },
      { batchChunks: 1, bytesPerSecond: 1_048_576 },
    );
    await replicator.replicate(signal);
    assert.deepEqual(slept.slice(0, 2), [1_000, 1_000]);
    assert.ok(Math.abs(slept.reduce((sum, ms) => sum + ms) - model.manifest.blob.byteLength / 1_048.576) < 1e-6);
  });

  it('waits while the peer is busy or paused', async () => {
    let looks = 0;
    const { replicator, slept } = await setUp({ isIdle: () => ++looks > 5 }, { busyPollMs: 7 });
    await replicator.replicate(signal);
    assert.deepEqual(slept.slice(0, 5), [7, 7, 7, 7, 7]);

    const controller = new AbortController();
    const paused = await setUp({
      sleep: () => (controller.abort(), Promise.reject(new DOMException('aborted', 'AbortError'))),
    });
    paused.replicator.pause();
    await assert.rejects(paused.replicator.replicate(controller.signal), { code: 'CANCELLED' });
    assert.deepEqual(paused.neighbours.asked, []);
  });

  it('takes no more than there is room for', async () => {
    const { model, store, replicator } = await setUp(
      { members: () => [self], hasRoomFor: (bytes) => store.storedBytes + bytes <= 1.5 * 1_048_576 },
      { batchChunks: 1 },
    );
    await replicator.replicate(signal);
    assert.deepEqual(bitIndices(store.have(model.id), 3), [0]);
  });

  it('reports a model it cannot get, and goes on with the next', async () => {
    const failures: ModelId[] = [];
    const lost = 'f'.repeat(64) as ModelId;
    const ids: ModelId[] = [lost];
    const { model, store, replicator } = await setUp({ models: () => ids, onFailure: (id) => failures.push(id) });
    ids.push(model.id);
    await replicator.replicate(signal);
    assert.deepEqual(failures, [lost]);
    assert.ok(store.has(model.id));
  });

  it('runs from start to stop, round after round', async () => {
    let rounds = 0;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { replicator } = await setUp({
      models: () => {
        if (++rounds === 3) resolve(undefined);
        return [];
      },
      sleep: () => new Promise((wake) => setImmediate(wake)),
    });
    replicator.start();
    await promise;
    await replicator.stop();
    const before = rounds;
    await new Promise((wake) => setImmediate(wake));
    assert.equal(rounds, before);
  });
});
