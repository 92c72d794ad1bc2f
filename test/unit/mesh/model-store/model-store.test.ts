import assert from 'node:assert/strict';
import { appendFile, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHUNK_BYTES, chunkRange } from '../../../../models/chunks.ts';
import { encodeManifest, sha256 } from '../../../../models/manifest.ts';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import { decodeModel } from '../../../../models/onnx/decode.ts';
import { byteLength } from '../../../../src/core/tensor/tensor.ts';
import type { MeshError } from '../../../../src/core/errors.ts';
import type { ModelId } from '../../../../src/core/ids.ts';
import { ModelStore } from '../../../../src/mesh/model-store/model-store.ts';
import { announce, cleanUp, importSmall, openStore, smallModel, temporaryFolder } from './small-model.ts';

const everything = (bytes: number) => [{ offset: 0, length: bytes }];

/** Flips one bit of a file. */
async function damage(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = new Uint8Array(1);
  await file.read(byte, 0, 1, position);
  await file.write(Uint8Array.of(byte[0]! ^ 1), 0, 1, position);
  await file.close();
}

describe('model store', () => {
  afterEach(cleanUp);

  it('keeps the weights of an imported file where its graph says they are', async () => {
    const store = await openStore();
    const file = await smallModel();
    const { id, manifest, bytesHeld } = await store.importOnnx(file, { name: 'small', description: 'a test' });
    const original = decodeModel(file);
    const blob = await readFile(store.weightFile(id).path);
    assert.equal(blob.byteLength, manifest.blob.byteLength);
    assert.equal(bytesHeld, manifest.blob.byteLength);
    assert.equal(manifest.weights, 'imported');
    for (const [name, { type, shape, offset }] of store.graph(id).weights) {
      const expected = original.weightBytes(name);
      assert.ok(expected instanceof Uint8Array);
      assert.ok(blob.subarray(offset, offset + byteLength(type, shape)).equals(expected), name);
    }
    assert.deepEqual(store.graph(id).nodes, original.graph.nodes);
    assert.equal(store.graph(id), store.graph(id));
  });

  it('gives the same file the same id everywhere, and takes it in once', async () => {
    const [a, b] = [await openStore(), await openStore()];
    const first = await importSmall(a);
    assert.equal((await importSmall(b)).id, first.id);
    assert.equal((await importSmall(a)).id, first.id);
    assert.equal(a.list().length, 1);
    assert.notEqual((await importSmall(a, 2)).id, first.id);
  });

  it('reports progress up to the last byte', async () => {
    const store = await openStore();
    const steps: number[] = [];
    let total = 0;
    await store.importOnnx(
      await smallModel(),
      { name: 'small' },
      { onProgress: (done, all) => (steps.push(done), (total = all)) },
    );
    assert.equal(steps.at(-1), total);
    assert.deepEqual(
      steps,
      [...steps].sort((a, b) => a - b),
    );
  });

  it('reads external data beside the file, and refuses it for a file in memory', async () => {
    const folder = await temporaryFolder();
    const whole = decodeModel(await smallModel());
    const blob = new Uint8Array(whole.weightBlobBytes);
    for (const [name, { offset }] of whole.graph.weights) blob.set(whole.weightBytes(name) as Uint8Array, offset);
    await writeFile(join(folder, 'blob.data'), blob);
    const file = encodeGraph(whole.graph, 'blob.data');
    await writeFile(join(folder, 'model.onnx'), file);

    const store = await openStore();
    const { id, manifest } = await store.importOnnx(join(folder, 'model.onnx'), { name: 'external' });
    assert.deepEqual(new Uint8Array(await readFile(store.weightFile(id).path)), blob);
    assert.equal(manifest.blob.byteLength, blob.byteLength);
    await assert.rejects(store.importOnnx(file, { name: 'alone' }), { code: 'INVALID_MODEL' });
  });

  it('finds a model by name or id, and says what to do when it cannot', async () => {
    const store = await openStore();
    const { id } = await importSmall(store);
    assert.equal(store.resolve('small-1'), id);
    assert.equal(store.resolve(id), id);
    assert.throws(() => store.resolve('large'), { code: 'MODEL_NOT_FOUND' });
    assert.throws(() => store.get('f'.repeat(64) as ModelId), { code: 'MODEL_NOT_FOUND' });
    await assert.rejects(store.importOnnx(await smallModel(3), { name: 'small-1' }), { code: 'CONFLICT' });
    await assert.rejects(store.importZoo('resnet'), { code: 'MODEL_NOT_FOUND', message: /lenet5/ });

    const other = await openStore();
    const namesake = await other.importOnnx(await smallModel(3), { name: 'small-1' });
    await announce(other, store, namesake);
    assert.throws(() => store.resolve('small-1'), { code: 'CONFLICT' });
    await store.remove(id);
    assert.equal(store.resolve('small-1'), namesake.id);
  });

  it('leaves nothing behind when an import fails', async () => {
    const folder = await temporaryFolder();
    const store = await openStore(folder);
    const model = await smallModel();
    const controller = new AbortController();
    const image = { kind: 'image-classification', input: 'no such input' } as never;
    const failures: readonly (readonly [string, () => Promise<unknown>, string])[] = [
      ['not a model', () => store.importOnnx(Buffer.from('hello'), { name: 'a' }), 'INVALID_MODEL'],
      ['cut short', () => store.importOnnx(model.subarray(0, 5_000), { name: 'a' }), 'INVALID_MODEL'],
      ['no file', () => store.importOnnx(join(folder, 'none.onnx'), { name: 'a' }), 'NOT_FOUND'],
      ['unusable name', () => store.importOnnx(model, { name: 'a/b' }), 'INVALID_ARGUMENT'],
      ['task of another model', () => store.importOnnx(model, { name: 'a', task: image }), 'INVALID_MODEL'],
      [
        'cancelled midway',
        () =>
          store.importOnnx(model, { name: 'a' }, { signal: controller.signal, onProgress: () => controller.abort() }),
        'CANCELLED',
      ],
    ];
    for (const [what, attempt, code] of failures) {
      await assert.rejects(attempt(), { name: 'MeshError', code }, what);
      assert.deepEqual(await readdir(join(folder, 'models')), [], what);
    }
    assert.deepEqual(store.list(), []);
  });

  it('removes what an import that was killed has left', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'models', '.draft-abc'), { recursive: true });
    await openStore(folder);
    assert.deepEqual(await readdir(join(folder, 'models')), []);
  });

  it('says what to do when the disk refuses', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'models'), 'a file where a folder should be');
    await assert.rejects(ModelStore.open(folder), { code: 'STORAGE_FAILED', message: /data folder/ });
  });

  it('learns a model from a peer, and counts only chunks that are what the manifest says', async () => {
    const [full, empty] = [await openStore(), await openStore()];
    const model = await importSmall(full);
    assert.equal((await announce(full, empty, model)).bytesHeld, 0);
    const { id, manifest } = model;
    assert.deepEqual(await empty.missing(id, everything(manifest.blob.byteLength)), [0, 1, 2]);
    assert.deepEqual(await empty.missing(id, [{ offset: CHUNK_BYTES, length: 1 }]), [1]);

    const chunk = (await full.readChunk(id, 1))!;
    await assert.rejects(empty.writeChunk(id, 0, chunk), { code: 'INVALID_MESSAGE' });
    await assert.rejects(empty.writeChunk(id, 3, chunk), { code: 'INVALID_ARGUMENT' });
    await empty.writeChunk(id, 1, chunk);
    assert.deepEqual(empty.have(id), Uint8Array.of(0b010));
    assert.deepEqual(await empty.readChunk(id, 1), chunk);
    assert.equal(await empty.readChunk(id, 0), null);
    assert.equal(empty.get(id).bytesHeld, CHUNK_BYTES);
  });

  it('completes a model learned from a peer when its file is imported', async () => {
    const [full, partial] = [await openStore(), await openStore()];
    const model = await importSmall(full);
    await announce(full, partial, model);
    assert.equal((await importSmall(partial)).bytesHeld, model.manifest.blob.byteLength);
    assert.deepEqual(await partial.missing(model.id, everything(model.manifest.blob.byteLength)), []);
  });

  it("refuses a graph or a manifest that is not the model's", async () => {
    const [full, empty] = [await openStore(), await openStore()];
    const [one, two] = [await importSmall(full, 1), await importSmall(full, 2)];
    const graph = Uint8Array.from(full.graphBytes(one.id));
    graph[graph.length - 1]! ^= 1;
    await assert.rejects(empty.addManifest(full.manifestBytes(one.id), graph), { code: 'INVALID_MODEL' });
    await assert.rejects(empty.addManifest(Buffer.from('{}'), full.graphBytes(two.id)), { code: 'INVALID_MODEL' });
    const short = { ...one.manifest, blob: { ...one.manifest.blob, byteLength: 0, chunkDigests: [] } };
    await assert.rejects(empty.addManifest(encodeManifest(short), full.graphBytes(one.id)), { code: 'INVALID_MODEL' });
    assert.deepEqual(empty.list(), []);
  });

  it('resumes after a restart with the chunks it had', async () => {
    const [full, folder] = [await openStore(), await temporaryFolder()];
    const model = await importSmall(full);
    const { id } = model;
    const before = await openStore(folder);
    await announce(full, before, model);
    await before.writeChunk(id, 2, (await full.readChunk(id, 2))!);
    await before.flush(id);

    const after = await openStore(folder);
    assert.deepEqual(
      after.list().map((stored) => stored.id),
      [id],
    );
    assert.deepEqual(await after.missing(id, everything(model.manifest.blob.byteLength)), [0, 1]);
  });

  it('drops a chunk that the disk has damaged, and takes it again', async () => {
    const [folder, full] = [await temporaryFolder(), await openStore()];
    const model = await importSmall(full);
    const { id } = model;
    const written = await openStore(folder);
    await importSmall(written);
    const { path } = written.weightFile(id);
    await written.close();
    await damage(path, CHUNK_BYTES + 17);

    const store = await openStore(folder);
    assert.deepEqual(await store.missing(id, everything(model.manifest.blob.byteLength)), [1]);
    assert.equal(await store.readChunk(id, 1), null);
    const { offset, length } = chunkRange(model.manifest.blob.byteLength, 1);
    assert.equal(store.get(id).bytesHeld, model.manifest.blob.byteLength - length);
    const bytesAgain = (await full.readChunk(id, 1))!;
    await Promise.all([store.writeChunk(id, 1, bytesAgain), store.writeChunk(id, 1, bytesAgain)]);
    assert.equal(store.get(id).bytesHeld, model.manifest.blob.byteLength, 'counted once');
    const bytes = (await readFile(path)).subarray(offset, offset + length);
    assert.equal(sha256(bytes), model.manifest.blob.chunkDigests[1]);
  });

  it('counts nothing when the bitmap or the weight file has the wrong size', async () => {
    for (const file of ['weights.have', 'weights.bin']) {
      const folder = await temporaryFolder();
      const written = await openStore(folder);
      const { id } = await importSmall(written);
      await written.close();
      await appendFile(join(folder, 'models', id, file), 'x');
      const store = await openStore(folder);
      assert.equal(store.get(id).bytesHeld, 0);
    }
  });

  it('leaves out a model whose graph is damaged, says so, and takes it in again', async () => {
    const folder = await temporaryFolder();
    const written = await openStore(folder);
    const { id } = await importSmall(written);
    await written.close();
    await damage(join(folder, 'models', id, 'graph.onnx'), 40);
    const errors: MeshError[] = [];
    const store = await ModelStore.open(folder, (error) => errors.push(error));
    assert.equal(store.has(id), false);
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['STORAGE_FAILED'],
    );
    assert.equal((await importSmall(store)).id, id);
    await store.close();
  });

  it('deletes the files of a model that is removed', async () => {
    const folder = await temporaryFolder();
    const store = await openStore(folder);
    const { id } = await importSmall(store);
    await store.remove(id);
    assert.deepEqual(await readdir(join(folder, 'models')), []);
    await assert.rejects(store.readChunk(id, 0), { code: 'MODEL_NOT_FOUND' });
  });
});
