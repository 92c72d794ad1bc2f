/** A disk that fills up, becomes read-only or damages what is on it: the peer says so, and goes on with what it has. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MeshError } from '../../../src/core/errors.ts';
import { loadIdentity, lockFolder } from '../../../src/mesh/identity.ts';
import { ModelStore } from '../../../src/mesh/model-store/model-store.ts';
import { importSmall } from '../../unit/mesh/model-store/small-model.ts';

const run = promisify(execFile);
/** Room for one of the small models, which takes 3 MB, and not for two. */
const DISK_BYTES = 5 * 2 ** 20;

describe('a data folder on a bad disk', function () {
  this.timeout(60_000);
  let folder: string;
  let disk: string;
  let store: ModelStore;
  let said: MeshError[];

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-disk-'));
    disk = join(folder, 'disk');
    await mkdir(disk);
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk]);
    } catch (error) {
      console.log(`      skipped: a small disk cannot be mounted here (${(error as Error).message.trim()})`);
      await rm(folder, { recursive: true });
      this.skip();
    }
  });

  after(async () => {
    await run('umount', [disk]).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    await run('mount', ['-o', 'remount,rw', disk]);
    await rm(join(disk, 'models'), { recursive: true, force: true });
    said = [];
    store = await ModelStore.open(disk, (error) => said.push(error));
  });

  afterEach(async () => {
    await run('mount', ['-o', 'remount,rw', disk]);
    await store.close();
  });

  const fails = (work: Promise<unknown>, advice: RegExp): Promise<void> =>
    assert.rejects(work, (error: MeshError) => error.code === 'STORAGE_FAILED' && advice.test(error.message));

  it('that is full takes no more models, leaves nothing half done behind, and serves those it has', async () => {
    const { id } = await importSmall(store, 1);
    await fails(importSmall(store, 2), /disk is full/);
    assert.deepEqual(await readdir(join(disk, 'models')), [id]);
    assert.notEqual(await store.readChunk(id, 0), null);
    await store.remove(id);
    assert.equal(store.has((await importSmall(store, 2)).id), true);
  });

  it('that is read-only keeps a peer from starting, with the reason, since it could not keep its identity', async () => {
    await store.close();
    await run('mount', ['-o', 'remount,ro', disk]);
    await fails(lockFolder(disk), /is writable/);
    await fails(loadIdentity(join(disk, 'new')), /is writable/);
    await run('mount', ['-o', 'remount,rw', disk]);
    await (await lockFolder(disk)).release();
  });

  it('that becomes read-only while a peer runs takes no models, says so, and takes them when it is mended', async () => {
    await run('mount', ['-o', 'remount,ro', disk]);
    await fails(importSmall(store, 1), /read-only: choose another folder/);
    assert.equal(store.list().length, 0);
    await run('mount', ['-o', 'remount,rw', disk]);
    const { id } = await importSmall(store, 1);
    assert.notEqual(await store.readChunk(id, 0), null);
  });

  it('that damages a chunk: it is noticed by its digest, said once, and no longer counts', async () => {
    const { id } = await importSmall(store, 1);
    const { path } = store.weightFile(id);
    await store.flush(id);
    await store.close();
    await using file = await open(path, 'r+');
    await file.write(Buffer.from('damage'), 0, 6, 100);
    store = await ModelStore.open(disk, (error) => said.push(error));
    assert.equal(await store.readChunk(id, 0), null);
    assert.equal(await store.readChunk(id, 0), null);
    assert.equal(said.length, 1);
    assert.match(said[0]!.message, /chunk 0 .* is damaged and will be fetched again/);
    assert.notEqual(await store.readChunk(id, 1), null);
  });
});
