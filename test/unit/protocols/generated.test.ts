import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const ROOT = path.resolve(import.meta.dirname, '../../..');

describe('protocols/*.proto', () => {
  it('generate the code that is committed, byte by byte', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tilemesh-generated-'));
    try {
      const bin = path.join(ROOT, 'node_modules/.bin');
      const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` };
      await promisify(execFile)(path.join(bin, 'buf'), ['generate', '--output', folder], { cwd: ROOT, env });
      const generated = await readdir(path.join(folder, 'protocols'), { recursive: true });
      const files = generated.filter((file) => file.includes('_pb.'));
      const sources = (await readdir(path.join(ROOT, 'protocols'), { recursive: true })).filter((file) =>
        file.endsWith('.proto'),
      );
      assert.ok(sources.length > 0);
      assert.equal(files.length, 2 * sources.length);
      for (const file of files) {
        const fresh = await readFile(path.join(folder, 'protocols', file), 'utf8');
        const committed = await readFile(path.join(ROOT, 'protocols', file), 'utf8');
        assert.equal(fresh, committed, `${file} differs: run npm run generate and commit the result`);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
