import assert from 'node:assert/strict';
import { asPeerId } from '../../../../src/core/ids.ts';
import { programScope } from '../../../../src/core/program/compile.ts';
import type { Announcement } from '../../../../src/mesh/model-library.ts';
import { ModelSpace } from '../../../../src/mesh/model-store/model-space.ts';
import type { StoredModel } from '../../../../src/mesh/model-store/model-store.ts';
import { isHeldElsewhere } from '../../../../src/mesh/model-store/other-copies.ts';
import { ProgramShelf } from '../../../../src/mesh/program-shelf.ts';
import { composeModels } from '../../../../src/peer-models.ts';
import type { Kernel } from '../../../../kernels/kernel.ts';
import type { Program } from '../../../../src/core/program/program.ts';
import type { BlobProvider } from '../../../../protocols/blobs/server.ts';
import { cleanUp, importSmall, openStore, temporaryFolder } from './small-model.ts';
import { Neighbours, type Behaviour } from './sources.ts';

const signal = new AbortController().signal;
const kernel = { prepare: () => Promise.resolve(), release: () => Promise.resolve() } as unknown as Kernel;

/** A peer with models of two others to fetch from, of about three MiB each, and room for so many of them. */
async function setUp(
  roomFor: number,
  { folder, others = [{}] }: { folder?: string; others?: readonly Behaviour[] } = {},
) {
  const full = await openStore();
  const models = [await importSmall(full, 1), await importSmall(full, 2), await importSmall(full, 3)] as const;
  const neighbours = new Neighbours();
  let provider: BlobProvider | undefined;
  const source = Object.assign(neighbours, { provide: (given: BlobProvider) => (provider = given) });
  others.forEach((behaviour, index) => neighbours.add(`peer${index}`, full, behaviour));
  const shelf = new ProgramShelf(kernel, 1e9);
  const store = await openStore(folder);
  const evicted: string[] = [];
  const announcements = (): readonly Announcement[] =>
    neighbours.holders().flatMap((peer) =>
      full.list().map(({ id, manifest, bytesHeld }) => ({
        peer,
        id,
        name: manifest.name,
        bytesHeld,
        bytesTotal: manifest.blob.byteLength,
      })),
    );
  const sizes = models.map(({ manifest }) => manifest.blob.byteLength);
  const made = composeModels({
    self: asPeerId('self'),
    store,
    source,
    shelf,
    announcements,
    diskBudgetBytes: Math.floor(roomFor * sizes[0]!),
    onChange: () => undefined,
    onLie: () => undefined,
    onEvicted: ({ manifest }) => evicted.push(manifest.name),
  });
  const fetchAll = ({ id, manifest }: StoredModel) =>
    made.library.weights(id, [{ offset: 0, length: manifest.blob.byteLength }], signal, () => undefined);
  return { ...made, models, full, neighbours, store, shelf, evicted, fetchAll, provider: provider! };
}

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe('mesh/model-store/model-space', () => {
  afterEach(cleanUp);

  it('lets the model used longest ago go for one that somebody asks for, and says so', async () => {
    const { models, store, evicted, fetchAll, library } = await setUp(2.5);
    const [first, second, third] = models;
    await fetchAll(first);
    await tick();
    await fetchAll(second);
    await tick();
    await library.find(first.manifest.name, signal);
    await fetchAll(third);
    assert.deepEqual(evicted, ['small-2']);
    assert.equal(store.has(second.id), false);
    assert.equal(store.get(third.id).bytesHeld, third.manifest.blob.byteLength);
    assert.ok(library.evictedAtMs(second.id)! > 0);
    assert.ok(!library.wanted().includes(second.id), 'it is not fetched again before somebody asks for it');
    await fetchAll(second);
    assert.deepEqual(evicted, ['small-2', 'small-1']);
    assert.equal(library.evictedAtMs(second.id), undefined);
  });

  it('knows after a restart which model was used longest ago', async () => {
    const folder = await temporaryFolder();
    const before = await setUp(2.5, { folder });
    await before.fetchAll(before.models[1]);
    await tick();
    await before.fetchAll(before.models[0]);
    await before.store.close();
    const after = await setUp(2.5, { folder });
    await after.fetchAll(after.models[2]);
    assert.deepEqual(after.evicted, ['small-2']);
  });

  it('keeps the only copy, and says why there is no room', async () => {
    const { models, full, store, evicted, fetchAll } = await setUp(1.5);
    const [first, second] = models;
    await fetchAll(first);
    await full.remove(first.id);
    await assert.rejects(fetchAll(second), {
      code: 'STORAGE_FAILED',
      message: /has no other copy that could be verified.*raise models\.diskBudgetBytes, or remove a model/,
    });
    assert.deepEqual(evicted, []);
    assert.equal(store.get(first.id).bytesHeld, first.manifest.blob.byteLength);
  });

  it('relies on nobody who cannot show what it claims, but on another who can', async () => {
    const liar: Behaviour = { onChunk: ({ index, bytes }) => ({ index, bytes: new Uint8Array(bytes.byteLength) }) };
    const [full, own] = [await openStore(), await openStore()];
    const { id } = await importSmall(full);
    await importSmall(own);
    const neighbours = new Neighbours();
    const ports = { store: own, source: neighbours, holders: () => neighbours.holders() };
    assert.equal(await isHeldElsewhere(id, ports, signal), false);
    neighbours.add('liar', full, liar);
    assert.equal(await isHeldElsewhere(id, ports, signal), false);
    neighbours.add('honest', full);
    assert.equal(await isHeldElsewhere(id, ports, signal), true);
  });

  it('shows a model that may be gone in a moment to nobody, so that two peers cannot both rely on the other', async () => {
    const shown: boolean[] = [];
    const late: { peer?: Awaited<ReturnType<typeof setUp>> } = {};
    const others: Behaviour = {
      have: (held) => {
        const { provider, models } = late.peer!;
        void provider.have(models[0].id).then((own) => shown.push(own !== null));
        return held;
      },
    };
    const peer = await setUp(1.5, { others: [others] });
    late.peer = peer;
    await peer.fetchAll(peer.models[0]);
    assert.notEqual(await peer.provider.have(peer.models[0].id), null);
    shown.length = 0;
    await peer.fetchAll(peer.models[1]);
    assert.deepEqual(peer.evicted, ['small-1']);
    assert.equal(shown[0], false);
  });

  it('keeps what is in use', async () => {
    const { models, evicted, fetchAll, shelf } = await setUp(1.5);
    await fetchAll(models[0]);
    const program = { key: `${programScope(models[0].id)}/tile`, nodes: [], weights: new Map() } as unknown as Program;
    const giveBack = await shelf.take([program], () => Promise.resolve(null), signal);
    await assert.rejects(fetchAll(models[1]), { code: 'STORAGE_FAILED', message: /is in use/ });
    giveBack();
    await fetchAll(models[1]);
    assert.deepEqual(evicted, ['small-1']);
    assert.equal(shelf.isInUse(programScope(models[0].id)), false);
  });

  it('refuses a model that does not fit at all, before anything goes for it', async () => {
    const { models, evicted, fetchAll, store, full, library, neighbours } = await setUp(1.5);
    await fetchAll(models[0]);
    const sent = neighbours.sent.length;
    const tooLarge = { code: 'STORAGE_FAILED', message: /all models together may take \d+ here: raise models\.disk/ };
    await assert.rejects(
      library.takeIn('huge', (onSized) => onSized(1e3, 1e9).then(() => full.get(models[0].id)), signal),
      tooLarge,
    );
    assert.deepEqual([evicted, neighbours.sent.length], [[], sent]);
    assert.equal(store.get(models[0].id).bytesHeld, models[0].manifest.blob.byteLength);
  });

  it('lets go of what the program can make again, though nobody else has it', async () => {
    const { models, evicted, fetchAll, library, store } = await setUp(1.5);
    const { id } = await library.find('lenet5', signal);
    await fetchAll(models[0]);
    assert.deepEqual(evicted, [], 'both fit');
    await fetchAll(models[1]);
    assert.deepEqual(evicted, ['lenet5', 'small-1']);
    assert.equal(store.has(id), false);
    assert.equal((await library.find('lenet5', signal)).id, id);
  });

  it('takes in nothing that nobody here has asked for, where something would have to go for it', async () => {
    const { models, evicted, store, library, space, fetchAll } = await setUp(1.002);
    await fetchAll(models[0]);
    assert.equal(space.fits({ bytes: 1e6, isAsked: false }), false);
    await library.learnAnnounced(signal);
    assert.deepEqual(evicted, []);
    assert.ok(store.storedBytes <= 1.002 * models[0].manifest.blob.byteLength);
  });

  it('bounds how many models and how much of graphs others can make it keep', async () => {
    const { store } = await setUp(1);
    const space = new ModelSpace({
      store,
      budgetBytes: 1e12,
      isInUse: () => false,
      isHeldElsewhere: () => Promise.resolve(false),
      remove: () => Promise.resolve(),
      onEvicted: () => undefined,
    });
    const unasked = { bytes: 1e3, graphBytes: 1e3, name: 'announced', isAsked: false };
    for (let count = 0; count < 128; count++) await space.reserve(unasked, signal);
    await assert.rejects(space.reserve(unasked, signal), { code: 'STORAGE_FAILED', message: /nobody here has asked/ });
    const asked = { ...unasked, isAsked: true };
    await assert.rejects(space.reserve({ ...asked, graphBytes: 2 ** 28 }, signal), { code: 'STORAGE_FAILED' });
    await space.reserve(asked, signal);
  });

  it('keeps the room that is promised to what is on its way', async () => {
    const { models, fetchAll, space } = await setUp(2.5);
    const bytes = 2 * models[0].manifest.blob.byteLength;
    const reservation = await space.reserve({ bytes, name: 'on its way', isAsked: true }, signal);
    await assert.rejects(fetchAll(models[0]), { code: 'STORAGE_FAILED' });
    reservation.arrived(bytes);
    await fetchAll(models[0]);
    reservation.release();
  });
});
