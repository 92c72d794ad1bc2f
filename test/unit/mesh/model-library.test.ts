import assert from 'node:assert/strict';
import { asPeerId } from '../../../src/core/ids.ts';
import { ModelLibrary } from '../../../src/mesh/model-library.ts';
import { ModelFetcher } from '../../../src/mesh/model-store/fetcher.ts';
import { ModelSpace } from '../../../src/mesh/model-store/model-space.ts';
import { announce, cleanUp, importSmall, openStore } from './model-store/small-model.ts';
import { Neighbours } from './model-store/sources.ts';

const signal = new AbortController().signal;

describe('mesh/model-library', () => {
  afterEach(cleanUp);

  async function library(diskBudgetBytes: number) {
    const full = await openStore();
    const model = await importSmall(full);
    const store = await openStore();
    await announce(full, store, model);
    const neighbours = new Neighbours();
    neighbours.add('a', full);
    const fetcher = new ModelFetcher({ store, source: neighbours, holders: () => neighbours.holders() });
    const parts = { self: asPeerId('self'), store, fetcher, announcements: () => [], onChange: () => undefined };
    const { byteLength } = model.manifest.blob;
    const space = new ModelSpace({
      store,
      budgetBytes: diskBudgetBytes,
      isInUse: () => false,
      isHeldElsewhere: () => Promise.resolve(true),
      remove: (id) => store.remove(id),
      onEvicted: () => undefined,
    });
    const made = new ModelLibrary({ ...parts, space });
    const fetchAll = () => made.weights(model.id, [{ offset: 0, length: byteLength }], signal, () => undefined);
    return { store, model, byteLength, neighbours, fetchAll };
  }

  it('fetches what it is asked to compute with', async () => {
    const { store, model, byteLength, fetchAll } = await library(1e9);
    await fetchAll();
    assert.equal(store.get(model.id).bytesHeld, byteLength);
    // What is here takes no more room.
    await fetchAll();
  });

  it('lets nobody make it fetch more than models may take of the disk', async () => {
    const { store, model, neighbours, fetchAll } = await library(1_000_000);
    await assert.rejects(fetchAll(), { code: 'STORAGE_FAILED', message: /raise models\.diskBudgetBytes/ });
    assert.equal(store.get(model.id).bytesHeld, 0);
    assert.deepEqual(neighbours.sent, []);
  });
});
