/** Clients that were not written here ask the API, over HTTP and gRPC. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { InferenceClient } from '@huggingface/inference';
import sharp from 'sharp';
import type { Api } from '../../../src/api/server.ts';
import { fromFloat32, numberValues } from '../../../src/core/tensor/tensor.ts';
import { unpackDebian } from '../../support/debian.ts';
import { fakePeer, PICTURES, startFakeApi, type FakeOptions } from '../../support/fake-peer.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const PATIENCE_MS = 180_000;
const run = promisify(execFile);

describe('A client', () => {
  let folder: string;
  let api: Api;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tilemesh-clients-'));
  });
  afterEach(() => api.close());
  after(() => rm(folder, { recursive: true }));

  const start = async (options: FakeOptions = {}): Promise<void> => {
    api = await startFakeApi(fakePeer(options), { grpcPort: 0 });
  };
  const picture = (): Promise<Buffer> =>
    sharp({ create: { width: 12, height: 9, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer();

  it('of Hugging Face endpoints has pictures classified', async () => {
    await start({ model: PICTURES });
    const client = new InferenceClient().endpoint(`${api.url}/v2/models/double/classify`);
    const classes = await client.imageClassification({ data: new Blob([new Uint8Array(await picture())]) });
    assert.equal(classes.length, 3);
    assert.ok(classes.every(({ label, score }) => label.startsWith('class ') && score > 0 && score <= 1));
    assert.ok(classes[0]!.score >= classes[1]!.score);
    await assert.rejects(client.imageClassification({ data: new Blob(['no picture']) }), /no picture/);
  });

  describe('curl', () => {
    const curl = async (...options: string[]): Promise<string> =>
      (await run('curl', ['--silent', '--show-error', '--fail-with-body', ...options])).stdout;
    before(async function () {
      const found = await run('curl', ['--version']).catch(() => undefined);
      if (found !== undefined) return;
      console.log('curl: it is not on this machine');
      this.skip();
    });

    it('sends JSON, a picture, and bytes alone', async () => {
      await start();
      const request = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
      const json = await curl(`${api.url}/v2/models/double/infer`, '--json', JSON.stringify(request));
      const { outputs } = JSON.parse(json) as { outputs: readonly { readonly data: readonly number[] }[] };
      assert.deepEqual(outputs[0]!.data, [2, 4, 6, 8]);

      const file = path.join(folder, 'x.bin');
      await writeFile(file, fromFloat32([1, 4], [1, 2, 3, 4]).bytes);
      const output = path.join(folder, 'y.bin');
      const octets = ['--header', 'Content-Type: application/octet-stream', '--data-binary', `@${file}`];
      const length = await curl(
        `${api.url}/v2/models/double/infer`,
        ...['--header', 'Inference-Header-Content-Length: 0', ...octets, '--output', output],
        ...['--write-out', '%header{inference-header-content-length}'],
      );
      const bytes = (await readFile(output)).subarray(Number(length));
      assert.deepEqual(numberValues({ type: 'float32', shape: [4], bytes }), [2, 4, 6, 8]);
    });

    it('has a picture classified', async () => {
      await start({ model: PICTURES });
      const file = path.join(folder, 'picture.jpg');
      await writeFile(file, await picture());
      const classes = await curl(`${api.url}/v2/models/double/classify?top_k=1`, '--data-binary', `@${file}`);
      assert.equal((JSON.parse(classes) as unknown[]).length, 1);
    });

    it('is told what is wrong, with a status that says so', async () => {
      await start();
      const asking = curl(`${api.url}/v2/models/double/infer`, '--json', '{');
      await assert.rejects(asking, (error) => {
        assert.match((error as { stdout: string }).stdout, /"error":"the body is not a JSON document"/);
        return true;
      });
    });
  });

  it("of Python's grpcio and protobuf, as Debian ships them, asks over gRPC", async function () {
    this.timeout(PATIENCE_MS);
    await start();
    const unpacked = await unpackDebian('grpcio', ['python3-grpcio', 'python3-protobuf'], 'with-dependencies');
    if ('missing' in unpacked) {
      console.log(`python3-grpcio: ${unpacked.missing}`);
      this.skip();
    }
    const descriptors = path.join(folder, 'inference.binpb');
    const source = path.join(ROOT, 'protocols/inference/inference.proto');
    const bin = path.join(ROOT, 'node_modules/.bin');
    const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` };
    await run('buf', ['build', '--path', source, '--as-file-descriptor-set', '--output', descriptors], {
      cwd: ROOT,
      env,
    });
    const inUnpacked = (place: string): string => path.join(unpacked.folder, place);
    const triplet = `${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch}-linux-gnu`;
    const { stdout } = await run(
      '/usr/bin/python3',
      [path.join(import.meta.dirname, 'ask.py'), descriptors, `127.0.0.1:${api.grpcPort}`],
      {
        env: {
          PATH: process.env.PATH,
          PYTHONDONTWRITEBYTECODE: '1',
          PYTHONPATH: inUnpacked('usr/lib/python3/dist-packages'),
          LD_LIBRARY_PATH: [`usr/lib/${triplet}`, `lib/${triplet}`].map(inUnpacked).join(path.delimiter),
        },
      },
    );
    const { refused, ...answer } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(answer, {
      live: true,
      server: 'tilemesh',
      shape: [-1, 4],
      answers: [[2, 4, 6, 8], [2, 4, 6, 8]], // prettier-ignore
      outputs: [['y', 'FP32', [1, 4]]],
      successes: 2,
    });
    assert.deepEqual(refused, ['NOT_FOUND', 'no peer has a model "none"']);
  });
});
