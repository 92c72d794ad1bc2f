import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescriptorWatch } from '../../../src/observability/descriptors.ts';

describe('observability/descriptors', () => {
  let root: string;
  let said: string[];
  const log = {
    info: (_facts: object, message: string) => void said.push(`info: ${message}`),
    warn: (_facts: object, message: string) => void said.push(`warn: ${message}`),
  };

  beforeEach(async () => {
    said = [];
    root = await mkdtemp(join(tmpdir(), 'tilemesh-descriptors-'));
    await mkdir(join(root, 'proc/self/fd'), { recursive: true });
    await writeFile(
      join(root, 'proc/self/limits'),
      'Max open files            20                   20                   files\n',
    );
  });
  afterEach(() => rm(root, { recursive: true }));

  /** The folder shows that many, and the one by which it is read. */
  async function use(count: number): Promise<void> {
    await rm(join(root, 'proc/self/fd'), { recursive: true });
    await mkdir(join(root, 'proc/self/fd'));
    for (let index = 0; index <= count; index++) await writeFile(join(root, 'proc/self/fd', String(index)), '');
  }

  it('says once that they are nearly used up, what to do, and once that there are enough again', async () => {
    await use(17);
    const watch = await DescriptorWatch.open(log, root);
    assert.deepEqual([watch.use, watch.trouble], [{ used: 17, limit: 20 }, undefined]);
    for (const count of [18, 20, 16, 17, 18]) {
      await use(count);
      await watch.check();
      assert.match(watch.trouble ?? '', new RegExp(`^${count} of 20 .*ulimit -n`));
    }
    await use(14);
    await watch.check();
    assert.equal(watch.trouble, undefined);
    assert.deepEqual(
      said.map((line) => line.slice(0, 30)),
      ['warn: file descriptors are nea', 'info: there are enough file de'],
    );
  });

  it('knows nothing where the system says nothing, and does not complain', async () => {
    const watch = await DescriptorWatch.open(log, join(root, 'nowhere'));
    assert.deepEqual([watch.use, watch.trouble, watch.limit, said], [null, undefined, null, []]);
  });

  it('reads those of this process', async () => {
    const { use: own } = await DescriptorWatch.open(log);
    assert.ok(own !== null && own.used > 2 && own.used < own.limit);
  });
});
