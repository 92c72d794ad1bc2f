import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../../../src/mesh/make-folder.ts';

describe('mesh/make-folder', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-folder-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('makes a folder and those above it, also several times at once', async () => {
    const path = join(folder, 'a/b/c');
    await Promise.all([makeFolder(path, 0o700), makeFolder(path, 0o700), makeFolder(join(folder, 'a/d'))]);
    assert.equal((await stat(path)).mode & 0o777, 0o700);
    await makeFolder(path);
  });

  it('fails where none can be, instead of trying for ever', async () => {
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(makeFolder(join(folder, 'file')), { code: 'EEXIST' });
    await assert.rejects(makeFolder(join(folder, 'file/x')), { code: /EEXIST|ENOTDIR/ });
    await assert.rejects(makeFolder('/proc/tilemesh/x'), { code: 'ENOENT' });
  });
});
