/** A peer tells nobody outside its mesh what it computes: the library under the native kernel would, unless told not to. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const OPEN = new URL('../../kernels/open.ts', import.meta.url).href;
/** The library begins with telemetry, so that opening a kernel is enough to see it. */
const program = (isolation: string): string =>
  `import { openKernel } from ${JSON.stringify(OPEN)};
  const fail = (message) => { throw new Error(message); };
  const kernel = await openKernel({ name: 'onnxruntime', lanes: 1, threadsPerLane: 1, isolation: '${isolation}' }, fail);
  await kernel.close();`;

describe('telemetry of ONNX Runtime', function () {
  this.timeout(60_000);

  for (const isolation of ['thread', 'process']) {
    it(`stays off where a lane is a ${isolation}: nothing is kept of it in the home folder`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tilemesh-home-'));
      try {
        const home = join(folder, 'home');
        const script = join(folder, 'open.mjs');
        await writeFile(script, program(isolation));
        // Nothing else of the surroundings, as some of them (CI) turn it off too.
        await execute(process.execPath, [script], { env: { PATH: process.env.PATH, HOME: home } });
        await assert.rejects(readdir(home), { code: 'ENOENT' });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }
});
