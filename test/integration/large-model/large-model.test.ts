/** Models larger than 2 GiB, which is all that one ONNX file can be: their weights are in files beside it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { InferenceSession } from 'onnxruntime-node';
import { postBytes } from '../../../src/cli/client.ts';
import { writeNpy } from '../../../models/tasks/npy.ts';
import { readNpyFile } from '../../support/npy-file.ts';
import { startLonePeer } from '../../support/lone-peer.ts';
import { tilemesh } from '../../support/terminal.ts';
import { runSession } from '../../support/whole-session.ts';
import { EXTERNAL_BYTES, inputs, writeSparseModel, type SparseModel } from './sparse-model.ts';

const GIB = 2 ** 30;
/** What a process with the runtime and a small model takes is about 150 MB. */
const MAX_PEAK_MB = 500;
const PIECE_BYTES = 2 ** 20;
/** More than what a lazy garbage collector leaves lying. */
const SENT_BYTES = 384 * PIECE_BYTES;

describe('a model of which the weights are larger than 2 GiB', function () {
  this.timeout(60_000);
  let folder: string;
  let files: SparseModel;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-large-'));
    files = await writeSparseModel(folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('takes next to nothing of the disk of this test', async () => {
    const { size, blocks } = await stat(join(folder, 'weights.data'));
    assert.ok(size === EXTERNAL_BYTES && size > 2 * GIB);
    if (blocks * 512 > GIB) console.log('      this disk knows no files with holes');
  });

  it(`answers whole and cut alike with less than ${MAX_PEAK_MB} MB of memory, rows beyond 2 GiB too`, async () => {
    const program = fileURLToPath(new URL('run.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program, files.large], { timeout: 50_000 });
    const { peakMb } = JSON.parse(stdout) as { readonly peakMb: number };
    console.log(`      ${Math.round(EXTERNAL_BYTES / 1e6)} MB of weights, ${Math.round(peakMb)} MB of memory`);
    assert.ok(peakMb < MAX_PEAK_MB, `${peakMb} MB`);
  });

  it('is sent to a peer without being kept', async () => {
    let most = 0;
    const server = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.end('{}'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    async function* pieces(): AsyncGenerator<Uint8Array> {
      await using file = await open(join(folder, 'weights.data'));
      for (let sent = 0; sent < SENT_BYTES; sent += PIECE_BYTES) {
        const piece = new Uint8Array(PIECE_BYTES);
        await file.read(piece, 0, PIECE_BYTES, sent);
        yield piece;
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      }
    }
    const before = process.memoryUsage().arrayBuffers;
    const urls = [new URL(`http://127.0.0.1:${port}`)];
    const signal = AbortSignal.timeout(30_000);
    await postBytes(urls, { path: '/', body: ReadableStream.from(pieces()), signal });
    server.close();
    assert.ok(most - before < SENT_BYTES / 2, `${(most - before) / 1e6} MB of ${SENT_BYTES / 1e6} MB held`);
  });

  it('is imported with those bytes of its external data alone that it uses', async () => {
    const peer = await startLonePeer(folder);
    try {
      const imported = await tilemesh('import', files.slice, '--name', 'slice', '--api', peer.apiUrl);
      assert.equal(imported.code, 0, imported.err);
      assert.match(imported.out, /imported slice \(tensors, 25 KB of weights\)/);
      const image = join(folder, 'image.npy');
      const given = new Map([['image', inputs().get('image')!]]);
      await writeFile(image, writeNpy(given.get('image')!));
      const results = join(folder, 'results');
      const ran = await tilemesh('run', 'slice', image, '--output', results, '--api', peer.apiUrl);
      assert.equal(ran.code, 0, ran.err);
      const session = await InferenceSession.create(files.slice);
      const expected = await runSession(session, given);
      await session.release();
      assert.deepEqual(await readNpyFile(join(results, 'map.npy')), expected.get('map'));
    } finally {
      await peer.stop();
    }
  });
});
