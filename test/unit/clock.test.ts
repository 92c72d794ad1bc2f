import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Where the time of day is told to people, and nothing follows from it. */
const FOR_PEOPLE = new Map([
  ['src/node.ts', 1],
  ['src/observability/logger.ts', 1],
]);

describe('the time', () => {
  it('is taken from the monotonic clock, so that nothing depends on jumps of the other one', async () => {
    const uses = new Map<string, number>();
    for (const folder of ['src', 'protocols', 'kernels']) {
      for (const name of await readdir(path.join(ROOT, folder), { recursive: true })) {
        if (!name.endsWith('.ts')) continue;
        const text = await readFile(path.join(ROOT, folder, name), 'utf8');
        const count = text.match(/\bDate\.now\(|new Date\(/g)?.length ?? 0;
        if (count > 0) uses.set(`${folder}/${name}`, count);
      }
    }
    assert.deepEqual(new Map([...uses].sort()), FOR_PEOPLE);
  });
});
