import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MeshError } from '../../../src/core/errors.ts';
import { loadIdentity, lockFolder } from '../../../src/mesh/identity.ts';

describe('mesh/identity', () => {
  let folder = '';
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'tilemesh-identity-')), 'data');
  });
  afterEach(() => rm(join(folder, '..'), { recursive: true }));

  const refuses = (code: string, words: RegExp) => (error: unknown) =>
    error instanceof MeshError && error.code === code && words.test(error.message);

  it('makes a key once and keeps it, readable by its owner only', async () => {
    const first = await loadIdentity(folder);
    assert.ok(first.equals(await loadIdentity(folder)));
    assert.equal((await stat(join(folder, 'identity.key'))).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ['identity.key']);
  });

  it('agrees on one key when several ask at the same time', async () => {
    const keys = await Promise.all([1, 2, 3, 4].map(() => loadIdentity(folder)));
    for (const key of keys) assert.ok(key.equals(keys[0]!));
  });

  it('says what to do about a damaged key', async () => {
    await loadIdentity(folder);
    await writeFile(join(folder, 'identity.key'), 'not a key');
    await assert.rejects(loadIdentity(folder), refuses('STORAGE_FAILED', /identity\.key is damaged: restore it/));
  });

  it('says what to do about a folder that cannot be used', async () => {
    await writeFile(folder, 'a file');
    await assert.rejects(loadIdentity(folder), refuses('STORAGE_FAILED', /--data/));
    await assert.rejects(lockFolder(folder), refuses('STORAGE_FAILED', /--data/));
  });

  it('lets one peer use a folder, and names it to the next', async () => {
    const lock = await lockFolder(folder);
    await assert.rejects(
      lockFolder(folder),
      refuses('DATA_FOLDER_IN_USE', new RegExp(`process ${process.pid}.*--data`)),
    );
    await lock.release();
    await (await lockFolder(folder)).release();
    assert.deepEqual(await readdir(folder), []);
  });

  it('gives the folder to exactly one of several that ask at the same time', async () => {
    const asked = await Promise.allSettled([1, 2, 3, 4].map(() => lockFolder(folder)));
    assert.equal(asked.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  for (const [holder, content] of [
    ['a process that is gone', `${2 ** 30} 1 x\n`],
    ['an earlier process with an id used again', `${process.pid} 1 x\n`],
    ['nobody that can be told', 'rubbish'],
  ] as const) {
    it(`takes over the lock of ${holder}`, async () => {
      await (await lockFolder(folder)).release();
      await writeFile(join(folder, 'peer.lock'), content);
      const lock = await lockFolder(folder);
      await lock.release();
      assert.deepEqual(await readdir(folder), []);
    });
  }
});
