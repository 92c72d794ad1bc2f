/** SECURITY.md names a test for every row, and those tests are there. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

describe('SECURITY.md', () => {
  it('names for each threat and each input tests that exist', async () => {
    const page = await readFile(join(ROOT, 'SECURITY.md'), 'utf8');
    let rows = 0;
    for (const title of ['Threats', 'What is read from outside', 'What is bounded']) {
      const section = page.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!;
      for (const row of section
        .split('\n')
        .filter((line) => line.startsWith('|'))
        .slice(2)) {
        rows++;
        const tests = [...row.matchAll(/`(test\/[^`]+)`: "([^"]+)"/g)];
        assert.ok(tests.length > 0, `no test is named in ${row}`);
        for (const [, path = '', words = ''] of tests) {
          const source = await readFile(join(ROOT, path), 'utf8');
          assert.ok(source.includes(words), `${path} has no test "${words}"`);
        }
      }
    }
    assert.ok(rows > 30, `${rows} rows were read`);
  });
});
