import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { API_LIMITS } from '../../../src/api/limits.ts';
import type { Api } from '../../../src/api/server.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { fromFloat32, numberValues } from '../../../src/core/tensor/tensor.ts';
import { imagenetImage } from '../../../models/tasks/image-spec.ts';
import { readNpy, writeNpy } from '../../../models/tasks/npy.ts';
import {
  DOUBLING,
  fakePeer,
  MODEL_ID,
  SELF,
  startFakeApi,
  type FakeModel,
  type FakeOptions,
  type FakePeer,
} from '../../support/fake-peer.ts';

const DOUBLE = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
const ARRAY = writeNpy(fromFloat32([1, 4], [1, 2, 3, 4]));

describe('HTTP API', () => {
  const open: Api[] = [];
  const start = async (
    options: FakeOptions = {},
    limits = API_LIMITS,
  ): Promise<{ peer: FakePeer; api: Api; url: string }> => {
    const peer = fakePeer(options);
    const api = await startFakeApi(peer, { limits });
    open.push(api);
    return { peer, api, url: api.url };
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map((api) => api.close()));
  });

  const post = async (url: string, body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) => {
    const response = await fetch(url, { method: 'POST', body, headers });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: () => JSON.parse(text) as Record<string, unknown>,
    };
  };
  const get = async (url: string) => {
    const response = await fetch(url);
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };

  describe('Open Inference Protocol', () => {
    it('says what it is, that it lives and whether it is ready', async () => {
      const { url } = await start({ isReady: false });
      assert.deepEqual((await get(`${url}/v2`)).json, {
        name: 'tilemesh',
        version: '0.1.0',
        extensions: [
          'binary_tensor_data',
          'classification',
          'model_configuration',
          'model_repository',
          'parameters',
          'statistics',
        ],
      });
      assert.equal((await get(`${url}/v2/health/live`)).status, 200);
      assert.equal((await get(`${url}/v2/health/ready`)).status, 503);
    });

    it('describes models, with -1 for what is open', async () => {
      const { url } = await start();
      const { json } = await get(`${url}/v2/models/double`);
      assert.deepEqual(json.inputs, [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }]);
      assert.equal((await get(`${url}/v2/models/${MODEL_ID}/ready`)).status, 200);
      const missing = await get(`${url}/v2/models/none`);
      assert.deepEqual([missing.status, missing.json.code], [404, 'MODEL_NOT_FOUND']);
    });

    it('infers and names the coordinator', async () => {
      const { url, peer } = await start();
      const parameters = { parallelism: 3, deadline_ms: 5000 };
      const answer = await post(`${url}/v2/models/double/infer`, JSON.stringify({ ...DOUBLE, id: '1', parameters }));
      assert.equal(answer.status, 200);
      const json = answer.json();
      assert.deepEqual(json.outputs, [{ name: 'y', datatype: 'FP32', shape: [1, 4], data: [2, 4, 6, 8] }]);
      assert.equal(json.id, '1');
      assert.equal((json.parameters as Record<string, unknown>).coordinator, '12D3KooWOther');
      assert.deepEqual([peer.requests[0]?.parallelism, peer.requests[0]?.deadlineMs], [3, 5000]);
    });

    it("identifies a request by its id only where that cannot be another one's", async () => {
      const { url, peer } = await start();
      for (const id of ['1', 'c'.repeat(32)]) {
        await post(`${url}/v2/models/double/infer`, JSON.stringify({ ...DOUBLE, id }));
      }
      assert.deepEqual(
        peer.requests.map((request) => request.requestId),
        [undefined, 'c'.repeat(32)],
      );
    });

    it('answers with bytes where asked', async () => {
      const { url } = await start();
      const document = JSON.stringify({ ...DOUBLE, outputs: [{ name: 'y', parameters: { binary_data: true } }] });
      const response = await fetch(`${url}/v2/models/double/infer`, { method: 'POST', body: document });
      const body = Buffer.from(await response.arrayBuffer());
      const length = Number(response.headers.get('inference-header-content-length'));
      const values = numberValues({ type: 'float32', shape: [4], bytes: body.subarray(length) });
      assert.deepEqual(values, [2, 4, 6, 8]);
    });

    it('refuses missing and unknown inputs and outputs', async () => {
      const { url } = await start();
      const cases = [
        [{ inputs: [] }, /"x" is missing/],
        [{ inputs: [{ ...DOUBLE.inputs[0], name: 'z' }] }, /no input "z"/],
        [{ ...DOUBLE, outputs: [{ name: 'z' }] }, /no output "z"/],
        [{ ...DOUBLE, parameters: { parallelism: -1 } }, /parallelism/],
      ] as const;
      for (const [document, message] of cases) {
        const answer = await post(`${url}/v2/models/double/infer`, JSON.stringify(document));
        assert.equal(answer.status, 400);
        assert.match(String(answer.json().error), message);
      }
    });

    it('gives each error its status and code, and says when to try again', async () => {
      const { url } = await start({ beforeAnswer: () => Promise.reject(new MeshError('OVERLOADED', 'busy')) });
      const answer = await post(`${url}/v2/models/double/infer`, JSON.stringify(DOUBLE));
      assert.deepEqual([answer.status, answer.json()], [503, { error: 'busy', code: 'OVERLOADED' }]);
      assert.equal(answer.headers.get('retry-after'), '1');
    });

    it('refuses bodies over the limit', async () => {
      const { url } = await start({}, { ...API_LIMITS, bodyBytes: 1000 });
      const answer = await post(`${url}/v2/models/double/infer`, 'x'.repeat(1001));
      assert.deepEqual([answer.status, answer.json().code], [413, 'PAYLOAD_TOO_LARGE']);
    });

    it('refuses what would not fit beside other bodies', async () => {
      const arrived = Promise.withResolvers<undefined>();
      const release = Promise.withResolvers<undefined>();
      const beforeAnswer = async () => {
        arrived.resolve(undefined);
        await release.promise;
      };
      const { url } = await start({ beforeAnswer }, { ...API_LIMITS, bodyBytesInFlight: 100 });
      const first = post(`${url}/v2/models/double/infer`, JSON.stringify(DOUBLE));
      await arrived.promise;
      const second = await post(`${url}/v2/models/double/infer`, JSON.stringify(DOUBLE));
      release.resolve(undefined);
      assert.deepEqual([second.status, second.json().code], [503, 'OVERLOADED']);
      assert.equal((await first).status, 200);
    });
  });

  describe('run', () => {
    it('answers with the result and who computed it', async () => {
      const { url } = await start();
      const answer = await post(`${url}/tilemesh/v1/models/double/run?parallelism=2&outputs=npy`, ARRAY);
      const json = answer.json() as {
        answer: unknown;
        outputs: { npy: string }[];
        report: { cut: string };
        weights: string;
      };
      assert.deepEqual(json.answer, {
        kind: 'tensors',
        tensors: [{ name: 'y', type: 'float32', shape: [1, 4], values: [2, 4, 6, 8], isComplete: true }],
      });
      assert.deepEqual(numberValues(readNpy(Buffer.from(json.outputs[0]!.npy, 'base64'))), [2, 4, 6, 8]);
      assert.deepEqual([json.report.cut, json.weights], ['rows, 2 parts', 'trained']);
    });

    it('prepares pictures as the task says', async () => {
      const model: FakeModel = {
        task: {
          kind: 'image-classification',
          input: 'x',
          output: 'y',
          image: imagenetImage(8),
          labels: [],
          isSoftmaxed: false,
          topK: 3,
        },
        inputs: [{ name: 'x', type: 'float32', dims: ['batch', 3, 8, 8] }],
        weights: 'seeded',
      };
      const { url, peer } = await start({ model });
      const picture = await sharp({ create: { width: 20, height: 10, channels: 3, background: 'red' } })
        .png()
        .toBuffer();
      const answer = await post(`${url}/tilemesh/v1/models/double/run`, new Uint8Array(picture), {
        'content-type': 'image/png',
      });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(peer.requests[0]?.inputs.get('x')?.shape, [1, 3, 8, 8]);
      assert.equal((answer.json().answer as { top: unknown[] }).top.length, 3);
    });

    it('streams a sign of life at once, progress and then the result', async () => {
      const { url } = await start();
      const answer = await post(`${url}/tilemesh/v1/models/double/run`, ARRAY, { accept: 'application/x-ndjson' });
      const events = answer.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.deepEqual(events[0], { event: 'alive' });
      assert.deepEqual(events[1], { event: 'progress', stage: 'computing', completed: 1, total: 2 });
      assert.equal(events.at(-1)?.event, 'result');
    });

    it('ends the stream with the error', async () => {
      const { url } = await start({ beforeAnswer: () => Promise.reject(new MeshError('PEER_LOST', 'gone')) });
      const answer = await post(`${url}/tilemesh/v1/models/double/run`, ARRAY, { accept: 'application/x-ndjson' });
      const last = JSON.parse(answer.text.trim().split('\n').at(-1)!) as unknown;
      assert.deepEqual(last, { event: 'error', error: 'gone', code: 'PEER_LOST' });
    });

    it('refuses what it cannot read before any work is done', async () => {
      const { url, peer } = await start();
      const cases = [
        [new Uint8Array(), {}, 415],
        [Uint8Array.of(0, 1, 2), {}, 415],
        [new TextEncoder().encode('hello'), { 'content-type': 'image/png' }, 415],
        [new TextEncoder().encode('hello'), { 'content-type': 'text/plain' }, 415],
        [ARRAY.subarray(0, 70), {}, 400],
      ] as const;
      for (const [body, headers, status] of cases) {
        assert.equal(
          (await post(`${url}/tilemesh/v1/models/double/run`, new Uint8Array(body), headers)).status,
          status,
        );
      }
      assert.equal((await post(`${url}/tilemesh/v1/models/double/run?requestId=7`, ARRAY)).status, 400);
      assert.equal(peer.requests.length, 0);
    });

    for (const accept of ['application/json', 'application/x-ndjson']) {
      it(`is cancelled when a client of ${accept} hangs up`, async () => {
        const arrived = Promise.withResolvers<AbortSignal>();
        const cancelled = Promise.withResolvers<unknown>();
        const { url } = await start({
          beforeAnswer: ({ signal }) =>
            new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => {
                cancelled.resolve(signal.reason);
                reject(new MeshError('CANCELLED', 'hung up'));
              });
              arrived.resolve(signal);
            }),
        });
        const client = new AbortController();
        const answer = fetch(`${url}/tilemesh/v1/models/double/run`, {
          method: 'POST',
          body: ARRAY,
          headers: { accept },
          signal: client.signal,
        })
          .then((response) => response.text())
          .catch(() => undefined);
        await arrived.promise;
        client.abort();
        const reason = await cancelled.promise;
        await answer;
        assert.ok(reason instanceof MeshError && reason.code === 'CANCELLED');
      });
    }

    it('is cancelled with UNAVAILABLE when the peer closes', async () => {
      const arrived = Promise.withResolvers<undefined>();
      const { url, api } = await start({
        beforeAnswer: ({ signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error));
            arrived.resolve(undefined);
          }),
      });
      const answer = post(`${url}/tilemesh/v1/models/double/run`, ARRAY);
      await arrived.promise;
      await api.close();
      assert.deepEqual((await answer).json().code, 'UNAVAILABLE');
    });
  });

  describe('mesh', () => {
    it('lists peers, models and the state of the peer', async () => {
      const { url } = await start();
      assert.equal((await get(`${url}/tilemesh/v1/peers`)).json.peers instanceof Array, true);
      assert.equal((await get(`${url}/tilemesh/v1/models`)).json.models instanceof Array, true);
      const { json } = await get(`${url}/tilemesh/v1/status`);
      assert.deepEqual([json.ready, json.aliveMembers, (json.self as { id: string }).id], [true, 1, SELF]);
    });

    it('says NOT_FOUND for other paths', async () => {
      const { url } = await start();
      const { status, json } = await get(`${url}/v3`);
      assert.deepEqual([status, json.code], [404, 'NOT_FOUND']);
    });
  });

  describe('import', () => {
    const octets = { 'content-type': 'application/octet-stream' };

    it('streams the file to disk, hands it over and removes it', async () => {
      const { url, peer } = await start();
      const model = new Uint8Array(3_000_000).map((_, index) => index % 251);
      const answer = await post(`${url}/tilemesh/v1/models?name=mine&task=ppocr-detection`, model, octets);
      assert.equal(answer.status, 200, answer.text);
      assert.equal((answer.json().model as { name: string }).name, 'mine');
      const [taken] = peer.imports;
      assert.ok(taken !== undefined && Buffer.compare(taken.bytes, model) === 0);
      assert.equal(taken.options.task?.kind, 'text-detection');
      assert.equal(existsSync(taken.file), false);
    });

    it('puts what follows the graph into the file beside it', async () => {
      let weights: Uint8Array | undefined;
      const { url, peer } = await start({
        onImport: async (file) => {
          weights = await readFile(join(dirname(file), 'weights.bin'));
        },
      });
      const sent = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
      const answer = await post(`${url}/tilemesh/v1/models?name=mine&graphBytes=100001`, sent, octets);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(Buffer.compare(peer.imports[0]!.bytes, sent.subarray(0, 100_001)), 0);
      assert.equal(Buffer.compare(weights!, sent.subarray(100_001)), 0);
      const wrong = await post(`${url}/tilemesh/v1/models?name=mine&graphBytes=-1`, sent, octets);
      assert.deepEqual([wrong.status, wrong.json().code], [400, 'INVALID_ARGUMENT']);
    });

    it('leaves nothing behind when the model is refused or too large', async () => {
      const onImport = () => {
        throw new MeshError('INVALID_MODEL', 'not an ONNX file');
      };
      const { url, peer } = await start({ onImport }, { ...API_LIMITS, modelBytes: 1000 });
      const refused = await post(`${url}/tilemesh/v1/models?name=mine`, new Uint8Array(10), octets);
      assert.deepEqual([refused.status, refused.json().code], [400, 'INVALID_MODEL']);
      const large = await post(`${url}/tilemesh/v1/models?name=mine`, new Uint8Array(5_000_000), octets);
      assert.deepEqual([large.status, large.json().code], [413, 'PAYLOAD_TOO_LARGE']);
      assert.equal(peer.imports.length, 1);
      assert.deepEqual(await readdir(join(tmpdir(), `tilemesh-test-${process.pid}`)), []);
    });

    it('leaves nothing behind when the upload stands still', async () => {
      const { url, peer } = await start({}, { ...API_LIMITS, uploadIdleMs: 50 });
      const status = await new Promise<number | undefined>((resolve) => {
        const upload = httpRequest(`${url}/tilemesh/v1/models?name=mine`, { method: 'POST', headers: octets });
        upload.on('response', (response) => {
          resolve(response.statusCode);
          upload.destroy();
        });
        upload.on('error', () => resolve(undefined));
        upload.write('half of it');
      });
      assert.ok(status === 504 || status === undefined, String(status));
      assert.equal(peer.imports.length, 0);
      assert.deepEqual(await readdir(join(tmpdir(), `tilemesh-test-${process.pid}`)), []);
    });

    it('takes so many at a time and no more', async () => {
      const { url } = await start({}, { ...API_LIMITS, uploads: 1 });
      const upload = httpRequest(`${url}/tilemesh/v1/models?name=mine`, { method: 'POST', headers: octets });
      const ended = new Promise((resolve) => upload.once('response', resolve).once('error', resolve));
      upload.write('half of it');
      let status = 0;
      // Until the first has arrived, the second is the first.
      while (status !== 503) {
        ({ status } = await post(`${url}/tilemesh/v1/models?name=other`, new Uint8Array(10), octets));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      upload.end();
      await ended;
      assert.equal((await post(`${url}/tilemesh/v1/models?name=other`, new Uint8Array(10), octets)).status, 200);
    });

    it('wants a plain name and a task that exists', async () => {
      const { url } = await start();
      for (const query of ['', '?name=../x', '?name=a&task=none']) {
        const answer = await post(`${url}/tilemesh/v1/models${query}`, new Uint8Array(10), octets);
        assert.deepEqual([answer.status, answer.json().code], [400, 'INVALID_ARGUMENT']);
      }
    });
  });

  describe('address', () => {
    const asHost = (url: string, headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        httpRequest(`${url}/v2`, { headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });

    it('on loopback answers to loopback names only', async () => {
      const { url } = await start();
      const hosts = ['localhost:1', '127.0.0.1', '[::1]:8470', 'evil.example', '127.0.0.1.evil.example'];
      const statuses = await Promise.all(hosts.map((host) => asHost(url, { host })));
      assert.deepEqual(statuses, [200, 200, 200, 400, 400]);
    });

    it('refuses pages of other origins', async () => {
      const { url } = await start();
      assert.equal(await asHost(url, { origin: 'http://evil.example' }), 400);
      assert.equal(await asHost(url, { origin: url }), 200);
    });

    it('in use is said with what to do', async () => {
      const { api } = await start();
      await assert.rejects(
        startFakeApi(fakePeer({ model: DOUBLING }), { port: api.port }),
        (error) =>
          error instanceof MeshError && error.code === 'PORT_IN_USE' && error.message.includes('--api HOST:PORT'),
      );
    });
  });
});
