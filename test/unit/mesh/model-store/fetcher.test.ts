import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { CHUNK_BYTES } from '../../../../models/chunks.ts';
import type { MeshError } from '../../../../src/core/errors.ts';
import type { ModelId, PeerId } from '../../../../src/core/ids.ts';
import { FETCHER_LIMITS, ModelFetcher } from '../../../../src/mesh/model-store/fetcher.ts';
import type { ModelStore, StoredModel } from '../../../../src/mesh/model-store/model-store.ts';
import { announce, cleanUp, importSmall, openStore, temporaryFolder } from './small-model.ts';
import { Neighbours, type Behaviour } from './sources.ts';

const all = ({ manifest }: StoredModel) => [{ offset: 0, length: manifest.blob.byteLength }];
const corrupt: Behaviour = { onChunk: ({ index, bytes }) => ({ index, bytes: bytes.map((byte) => byte ^ 1) }) };
const never = new Promise<never>(() => undefined);

interface Setting {
  readonly neighbours: Neighbours;
  readonly full: ModelStore;
  readonly model: StoredModel;
  readonly own: ModelStore;
  readonly fetcher: ModelFetcher;
  readonly lies: PeerId[];
}

/** A peer that knows nothing, and one store that holds the small model, of three chunks, for neighbours to serve. */
async function setUp(limits = { ...FETCHER_LIMITS, chunksPerRequest: 1 }, own?: ModelStore): Promise<Setting> {
  const neighbours = new Neighbours();
  const full = await openStore();
  const model = await importSmall(full);
  const store = own ?? (await openStore());
  const lies: PeerId[] = [];
  const fetcher = new ModelFetcher(
    {
      store,
      source: neighbours,
      holders: () => neighbours.holders(),
      onLie: (peer) => lies.push(peer),
    },
    limits,
  );
  return { neighbours, full, model, own: store, fetcher, lies };
}

describe('model fetcher', () => {
  afterEach(cleanUp);

  it('learns a model and gets all of it from several peers, each chunk once', async () => {
    const { neighbours, full, model, own, fetcher } = await setUp();
    for (const name of ['a', 'b', 'c']) neighbours.add(name, full);
    const steps: number[] = [];
    await fetcher.ensureRanges(model.id, all(model), undefined, (done) => steps.push(done));
    assert.equal(own.get(model.id).bytesHeld, model.manifest.blob.byteLength);
    assert.deepEqual(neighbours.sent.map(({ index }) => index).sort(), [0, 1, 2]);
    assert.equal(new Set(neighbours.sent.map(({ peer }) => peer)).size, 3);
    assert.deepEqual([steps[0], steps.at(-1)], [0, model.manifest.blob.byteLength]);
  });

  it('gets just the chunks that the ranges need, and nothing that is here', async () => {
    const { neighbours, full, model, own, fetcher } = await setUp();
    neighbours.add('a', full);
    await fetcher.ensureRanges(model.id, [{ offset: CHUNK_BYTES + 5, length: 1 }]);
    assert.deepEqual(own.have(model.id), Uint8Array.of(0b010));
    await fetcher.ensureRanges(model.id, [{ offset: CHUNK_BYTES, length: 20 }]);
    await fetcher.ensureRanges(model.id, [{ offset: 0, length: 2 * CHUNK_BYTES }]);
    assert.deepEqual(
      neighbours.sent.map(({ index }) => index),
      [1, 0],
    );
  });

  it('puts a model together from peers that hold different parts', async () => {
    const { neighbours, full, model, own, fetcher } = await setUp();
    for (const index of [0, 1, 2]) {
      const part = await openStore();
      await announce(full, part, model);
      await part.writeChunk(model.id, index, (await full.readChunk(model.id, index))!);
      neighbours.add(`part-${index}`, part);
    }
    await fetcher.ensureRanges(model.id, all(model));
    assert.equal(own.get(model.id).bytesHeld, model.manifest.blob.byteLength);
  });

  it('takes nothing wrong from a peer that lies, and asks it no more', async () => {
    const { neighbours, full, model, own, fetcher, lies } = await setUp();
    const liar = neighbours.add('liar', full, corrupt);
    neighbours.add('honest', full);
    await fetcher.ensureRanges(model.id, all(model));
    assert.equal(own.get(model.id).bytesHeld, model.manifest.blob.byteLength);
    assert.deepEqual(lies, [liar]);
    for (const index of [0, 1, 2])
      assert.deepEqual(await own.readChunk(model.id, index), await full.readChunk(model.id, index));

    const asked = neighbours.asked.filter((peer) => peer === liar).length;
    const second = await importSmall(full, 2);
    await fetcher.ensureRanges(second.id, all(second));
    assert.equal(neighbours.asked.filter((peer) => peer === liar).length, asked);
  });

  it('recognises every kind of lie', async () => {
    const behaviours: Readonly<Record<string, Behaviour>> = {
      'a chunk not asked for': { onChunk: ({ bytes }) => ({ index: 99, bytes }) },
      'a bitmap of the wrong size': { have: () => new Uint8Array(1_000) },
      'another manifest': { manifest: () => Buffer.from('{}') },
      'a longer chunk': { onChunk: ({ index, bytes }) => ({ index, bytes: Buffer.concat([bytes, bytes]) }) },
    };
    for (const [what, behaviour] of Object.entries(behaviours)) {
      const { neighbours, full, model, fetcher, lies } = await setUp();
      const liar = neighbours.add('liar', full, behaviour);
      await assert.rejects(fetcher.ensureRanges(model.id, all(model)), { code: 'UNAVAILABLE' }, what);
      assert.deepEqual(lies, [liar], what);
    }
  });

  it('goes on with others when a peer dies midway, freezes, or has less than it says', async () => {
    const behaviours: Readonly<Record<string, Behaviour>> = {
      dies: { onChunk: (chunk, count) => (count === 0 ? chunk : Promise.reject(new Error('connection lost'))) },
      freezes: { onChunk: () => never },
      'refuses its bitmap': {
        have: () => {
          throw new Error('no');
        },
      },
      'does not know the model': { have: () => null },
    };
    for (const [what, behaviour] of Object.entries(behaviours)) {
      const { neighbours, full, model, own, fetcher, lies } = await setUp({
        maxPeers: 2,
        chunksPerRequest: 2,
        answerTimeoutMs: 50,
      });
      neighbours.add('bad', full, behaviour);
      neighbours.add('good', full);
      await fetcher.ensureRanges(model.id, all(model));
      assert.equal(own.get(model.id).bytesHeld, model.manifest.blob.byteLength, what);
      assert.deepEqual(lies, [], what);
    }
    const { neighbours, full, model, fetcher, own } = await setUp();
    const empty = await openStore();
    await announce(full, empty, model);
    neighbours.add('boaster', empty, { have: () => Uint8Array.of(0b111) });
    neighbours.add('good', full);
    await fetcher.ensureRanges(model.id, all(model));
    assert.equal(own.get(model.id).bytesHeld, model.manifest.blob.byteLength);
  });

  it('says so when nobody has the rest, keeps what came, and resumes after a restart', async () => {
    const folder = await temporaryFolder();
    const before = await openStore(folder);
    const setting = await setUp(undefined, before);
    const { model, full } = setting;
    const dying = (chunk: { index: number; bytes: Uint8Array }, count: number) => {
      if (count >= 2) throw new Error('connection lost');
      return chunk;
    };
    setting.neighbours.add('only', full, { onChunk: dying });
    await assert.rejects(setting.fetcher.ensureRanges(model.id, all(model)), (error: MeshError) => {
      assert.deepEqual([error.code, error.isRetryable, error.details.missing], ['UNAVAILABLE', true, 1]);
      return true;
    });
    await before.close();

    const after = await openStore(folder);
    const again = new Neighbours();
    again.add('back', full);
    const fetcher = new ModelFetcher({ store: after, source: again, holders: () => again.holders() });
    await fetcher.ensureRanges(model.id, all(model));
    assert.equal(again.sent.length, 1);
    assert.deepEqual(await after.missing(model.id, all(model)), []);
  });

  it('fetches again what the disk has damaged', async () => {
    const folder = await temporaryFolder();
    const before = await openStore(folder);
    const model = await importSmall(before);
    const { path } = before.weightFile(model.id);
    await before.close();
    const file = await open(path, 'r+');
    await file.write(Buffer.from('damage'), 0, 6, 2 * CHUNK_BYTES + 99);
    await file.close();

    const { neighbours, full, fetcher, own } = await setUp(undefined, await openStore(folder));
    neighbours.add('a', full);
    await fetcher.ensureRanges(model.id, all(model));
    assert.deepEqual(
      neighbours.sent.map(({ index }) => index),
      [2],
    );
    assert.deepEqual(await own.readChunk(model.id, 2), await full.readChunk(model.id, 2));
  });

  it('shares the work of concurrent calls, also when some of them are cancelled', async () => {
    const { neighbours, full, model, own, fetcher } = await setUp();
    neighbours.add('a', full);
    neighbours.add('b', full);
    const controller = new AbortController();
    const calls = [
      fetcher.ensureRanges(model.id, all(model)),
      fetcher.ensureRanges(model.id, [{ offset: 0, length: 1 }]),
      fetcher.ensureRanges(model.id, all(model), controller.signal, (done) => done > 0 && controller.abort()),
    ];
    const results = await Promise.allSettled(calls);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    );
    assert.deepEqual(neighbours.sent.map(({ index }) => index).sort(), [0, 1, 2]);
    assert.equal(own.get(model.id).bytesHeld, model.manifest.blob.byteLength);
  });

  it('stops asking as soon as the only caller is gone', async () => {
    const { neighbours, full, model, fetcher } = await setUp();
    const controller = new AbortController();
    neighbours.add('a', full, { onChunk: () => (controller.abort(), never) });
    await assert.rejects(fetcher.ensureRanges(model.id, all(model), controller.signal), { code: 'CANCELLED' });
    assert.deepEqual(neighbours.sent, []);
  });

  it('ends everything under way when it is closed', async () => {
    const { neighbours, full, model, fetcher } = await setUp();
    neighbours.add('a', full, { onChunk: () => (fetcher.close(), never) });
    await assert.rejects(fetcher.ensureRanges(model.id, all(model)), { code: 'CANCELLED' });
  });

  it('says that a model is unknown when nobody claims to have it', async () => {
    const { fetcher } = await setUp();
    await assert.rejects(fetcher.ensureModel('f'.repeat(64) as ModelId), { code: 'MODEL_NOT_FOUND' });
  });
});
