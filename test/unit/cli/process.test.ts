/** The command as users start it: a process with an exit code. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fakePeer, startFakeApi } from '../../support/fake-peer.ts';

const BIN = fileURLToPath(new URL('../../../bin/tilemesh.js', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

interface Outcome {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const tilemesh = (...args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [BIN, ...args], { timeout: 30_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });

describe('tilemesh as a process', function () {
  this.timeout(60_000);

  it('hands what follows "bench kernels" to the benchmark of this checkout, with its exit code', async () => {
    const [help, wrong] = await Promise.all([
      tilemesh('bench', '--', 'kernels', '--help'),
      tilemesh('bench', 'kernels', '--nonsense'),
    ]);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /^Usage: npm run bench -- kernels /);
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /unknown option '--nonsense'/);
  });

  it('exits with 0, 2 or 3 for success, wrong usage and no peer', async () => {
    const outcomes = await Promise.all([
      tilemesh('--version'),
      tilemesh('frobnicate'),
      tilemesh('peers', '--api', '127.0.0.1:9'),
    ]);
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      [0, 2, 3],
    );
    assert.equal(outcomes[0].stdout, `${version}\n`);
    assert.match(outcomes[2].stderr, /^tilemesh: no peer answers at .*\n$/);
    assert.equal(outcomes[2].stdout, '');
  });

  it('ends quietly when nobody reads on', async () => {
    const child = spawn(process.execPath, [BIN, 'plan', 'lenet5', '--peers', '2', '--board', 'rockpro64', '--json']);
    child.stdout.destroy();
    let complaint = '';
    child.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
    const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(30_000) })) as [number | null];
    assert.equal(code, 0, complaint);
    assert.doesNotMatch(complaint, /EPIPE|node:events/);
  });

  it('answers on stdout without colours when piped', async () => {
    const api = await startFakeApi(fakePeer());
    try {
      const { code, stdout, stderr } = await tilemesh('peers', '--api', api.url);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^NAME .*\nkitchen \(this peer\)/);
      assert.doesNotMatch(stdout, /\x1b/); // eslint-disable-line no-control-regex
    } finally {
      await api.close();
    }
  });
});
