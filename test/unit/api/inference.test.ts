import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { API_LIMITS } from '../../../src/api/limits.ts';
import type { Api } from '../../../src/api/server.ts';
import { joinElements } from '../../../src/api/open-inference/values.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { fromFloat32, fromNumbers, numberValues } from '../../../src/core/tensor/tensor.ts';
import { fakePeer, MODEL_ID, PICTURES, SELF, OTHER, startFakeApi, type FakeOptions } from '../../support/fake-peer.ts';
import { get, post, type Answered } from '../../support/http-client.ts';

const X = { name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] };
const LENGTH = 'inference-header-content-length';
const VALUES = fromFloat32([1, 4], [1, 2, 3, 4]).bytes;

/** The one output of an answer with bytes behind its document. */
function binaryOutput({ headers, bytes }: Answered): { document: Record<string, unknown>; values: number[] } {
  const length = Number(headers.get(LENGTH));
  const document = JSON.parse(bytes.subarray(0, length).toString()) as Record<string, unknown>;
  const rest = bytes.subarray(length);
  return { document, values: numberValues({ type: 'float32', shape: [rest.byteLength / 4], bytes: rest }) };
}

describe('Open Inference Protocol over HTTP', () => {
  const open: Api[] = [];
  const start = async (options: FakeOptions = {}, limits = API_LIMITS) => {
    const peer = fakePeer(options);
    const api = await startFakeApi(peer, { limits });
    open.push(api);
    return { peer, url: api.url, infer: `${api.url}/v2/models/double/infer` };
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map((api) => api.close()));
  });
  const picture = async (width = 20): Promise<Buffer> =>
    sharp({ create: { width, height: 10, channels: 3, background: 'red' } })
      .png()
      .toBuffer();

  describe('versions', () => {
    it('are the ids of models, in every path', async () => {
      const { url } = await start();
      const version = `${url}/v2/models/double/versions/${MODEL_ID}`;
      assert.deepEqual((await get(version)).json().versions, [MODEL_ID]);
      assert.equal((await get(`${version}/ready`)).status, 200);
      assert.equal((await get(`${version}/stats`)).status, 200);
      const answer = await post(`${version}/infer`, { inputs: [X] });
      assert.deepEqual([answer.status, answer.json().model_version], [200, MODEL_ID]);
    });

    it('that are not there are said to be so, and nothing is computed', async () => {
      const { url, peer } = await start();
      const version = `${url}/v2/models/double/versions/7`;
      const answers = [
        await get(version),
        await get(`${version}/ready`),
        await post(`${version}/infer`, { inputs: [X] }),
      ];
      for (const answer of answers) {
        assert.equal(answer.status, 404);
        assert.match(String(answer.json().error), /no version "7".*its version is ab/);
      }
      assert.equal(peer.requests.length, 0);
    });
  });

  it('tells the configuration of a model as Triton names it', async () => {
    const { url } = await start();
    const tensor = { data_type: 'TYPE_FP32', dims: [-1, 4] };
    assert.deepEqual((await get(`${url}/v2/models/double/config`)).json(), {
      name: 'double',
      platform: 'onnx_tilemesh',
      backend: 'tilemesh',
      max_batch_size: 0,
      input: [{ name: 'x', ...tensor }],
      output: [{ name: 'y', ...tensor }],
    });
  });

  describe('bytes', () => {
    it('alone are the only input, and the answer is bytes', async () => {
      const { infer, peer } = await start();
      const answer = await post(infer, VALUES, { [LENGTH]: '0' });
      assert.deepEqual(binaryOutput(answer).values, [2, 4, 6, 8]);
      assert.deepEqual(peer.requests[0]?.inputs.get('x')?.shape, [1, 4]);
    });

    it('alone that fit no shape are refused', async () => {
      const { infer } = await start();
      for (const bytes of [VALUES.subarray(1), new Uint8Array(20)]) {
        assert.equal((await post(infer, new Uint8Array(bytes), { [LENGTH]: '0' })).status, 400);
      }
    });

    it('follow the document both ways', async () => {
      const { infer } = await start();
      const document = Buffer.from(
        JSON.stringify({
          parameters: { binary_data_output: true },
          inputs: [{ ...X, data: undefined, parameters: { binary_data_size: 16 } }],
        }),
      );
      const answer = await post(infer, Buffer.concat([document, VALUES]), { [LENGTH]: String(document.length) });
      const { document: described, values } = binaryOutput(answer);
      assert.deepEqual(values, [2, 4, 6, 8]);
      assert.deepEqual(described.outputs, [
        { name: 'y', datatype: 'FP32', shape: [1, 4], parameters: { binary_data_size: 16 } },
      ]);
    });

    it('of large answers arrive whole', async () => {
      const count = 100_000;
      const input = { name: 'x', type: 'float32', dims: ['batch', count] } as const;
      const { infer } = await start({ model: { task: { kind: 'tensors' }, inputs: [input], weights: 'trained' } });
      const sent = Float32Array.from({ length: count }, (_, index) => index);
      const answer = await post(infer, new Uint8Array(sent.buffer), { [LENGTH]: '0' });
      const { values } = binaryOutput(answer);
      assert.equal(values.length, count);
      assert.ok(values.every((value, index) => value === index * 2));
    });

    it('carry half precision', async () => {
      const input = { name: 'x', type: 'float16', dims: [1, 4] } as const;
      const { infer, peer } = await start({
        model: { task: { kind: 'tensors' }, inputs: [input], weights: 'trained' },
      });
      const half = fromNumbers('float16', [1, 4], [0.5, 1, -2, 4]);
      await post(infer, new Uint8Array(half.bytes), { [LENGTH]: '0' });
      assert.deepEqual(numberValues(peer.requests[0]!.inputs.get('x')!), [0.5, 1, -2, 4]);
    });

    it('may be compressed, within the limit of what they grow to', async () => {
      const { infer } = await start({}, { ...API_LIMITS, bodyBytes: 100_000 });
      const gzip = { 'content-encoding': 'gzip' };
      assert.equal((await post(infer, gzipSync(JSON.stringify({ inputs: [X] })), gzip)).status, 200);
      assert.equal((await post(infer, gzipSync(Buffer.alloc(10_000_000)), gzip)).status, 413);
      assert.equal((await post(infer, 'no gzip', gzip)).status, 400);
      assert.equal((await post(infer, '{}', { 'content-encoding': 'br' })).status, 415);
    });

    it('may be compressed to a quarter, and to less where they are small: more takes memory for few bytes', async () => {
      const { infer } = await start();
      const gzip = { 'content-encoding': 'gzip' };
      const padded = (bytes: number): Buffer => gzipSync(JSON.stringify({ inputs: [X] }).padEnd(bytes, ' '));
      assert.equal((await post(infer, padded(1_000_000), gzip)).status, 200);
      const bomb = await post(infer, padded(1_200_000), gzip);
      assert.deepEqual([bomb.status, bomb.json().code], [413, 'PAYLOAD_TOO_LARGE']);
      assert.match(String(bomb.json().error), /without Content-Encoding/);
    });

    it('that are compressed count as what they may grow to', async () => {
      const arrived = Promise.withResolvers<undefined>();
      const release = Promise.withResolvers<undefined>();
      const beforeAnswer = async () => {
        arrived.resolve(undefined);
        await release.promise;
      };
      const { infer } = await start({ beforeAnswer }, { ...API_LIMITS, bodyBytesInFlight: 2_000_000 });
      const body = gzipSync(JSON.stringify({ inputs: [X] }));
      const first = post(infer, body, { 'content-encoding': 'gzip' });
      await arrived.promise;
      assert.equal((await post(infer, body, { 'content-encoding': 'gzip' })).status, 503);
      release.resolve(undefined);
      assert.equal((await first).status, 200);
    });

    it('count together over all routes', async () => {
      const arrived = Promise.withResolvers<undefined>();
      const release = Promise.withResolvers<undefined>();
      const beforeAnswer = async () => {
        arrived.resolve(undefined);
        await release.promise;
      };
      const { url, infer } = await start({ beforeAnswer }, { ...API_LIMITS, bodyBytesInFlight: 100 });
      const first = post(infer, { inputs: [X] });
      await arrived.promise;
      for (const path of ['/v2/models/double/classify', '/v2/repository/index', '/tilemesh/v1/models/double/run']) {
        assert.equal((await post(`${url}${path}`, Buffer.alloc(90))).status, 503, path);
      }
      release.resolve(undefined);
      assert.equal((await first).status, 200);
    });

    it('without a declared length are refused as soon as they are too many, with an answer', async () => {
      const { infer } = await start({}, { ...API_LIMITS, bodyBytes: 1000 });
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const sending = httpRequest(infer, { method: 'POST' }, (response) => {
          response.resume();
          resolve(response.statusCode);
          sending.destroy();
        });
        sending.on('error', reject);
        sending.write(Buffer.alloc(2000));
      });
      assert.equal(status, 413);
    });
  });

  describe('pictures', () => {
    it('come as BYTES, one sample each, in bytes, in base64, or as the body', async () => {
      const { infer, peer } = await start({ model: PICTURES });
      const image = await picture();
      const elements = joinElements([image, image]);
      const input = { name: 'x', datatype: 'BYTES' };
      const document = Buffer.from(
        JSON.stringify({ inputs: [{ ...input, shape: [2], parameters: { binary_data_size: elements.byteLength } }] }),
      );
      const two = await post(infer, Buffer.concat([document, elements]), { [LENGTH]: String(document.length) });
      assert.equal(two.status, 200, two.bytes.toString());
      const base64 = { shape: [1], data: [image.toString('base64')], parameters: { content_type: 'base64' } };
      const one = await post(infer, { inputs: [{ ...input, ...base64 }] });
      assert.equal(one.status, 200, one.bytes.toString());
      const raw = await post(infer, image, { [LENGTH]: '0' });
      assert.equal(raw.status, 200, raw.bytes.toString());
      const shapes = peer.requests.map(({ inputs }) => inputs.get('x')?.shape);
      assert.deepEqual(shapes, [[2, 3, 8, 8], [1, 3, 8, 8], [1, 3, 8, 8]]); // prettier-ignore
    });

    it('that are none are refused, and so are BYTES for models of numbers', async () => {
      const input = { name: 'x', datatype: 'BYTES', shape: [1], data: ['no picture'] };
      const pictures = await start({ model: PICTURES });
      assert.match(String((await post(pictures.infer, { inputs: [input] })).json().error), /encoded pictures/);
      const numbers = await start();
      assert.match(String((await post(numbers.infer, { inputs: [input] })).json().error), /takes numbers/);
    });

    it('are answered with labels by classify', async () => {
      const { url } = await start({ model: PICTURES });
      const classify = `${url}/v2/models/double/classify`;
      const image = await picture();
      const plain = await post(`${classify}?top_k=2`, image);
      const document = { inputs: image.toString('base64'), parameters: { top_k: 2 } };
      const json = await post(classify, document, { 'content-type': 'application/json' });
      assert.deepEqual(json.json(), plain.json());
      const [first, second] = plain.json() as unknown as { label: string; score: number }[];
      assert.match(first!.label, /^class \d+$/);
      assert.ok(first!.score >= second!.score);
      assert.equal((await post(classify, 'no picture')).status, 415);
      assert.equal((await post(`${classify}?top_k=0`, image)).status, 400);
      assert.equal((await post(classify, '[]', { 'content-type': 'application/json' })).status, 400);
    });
  });

  describe('classification', () => {
    it('brings the highest values, with their indices', async () => {
      const { infer } = await start();
      const outputs = [{ name: 'y', parameters: { classification: 2 } }];
      const answer = await post(infer, { inputs: [{ ...X, data: [1, 2.5, -3, 2] }], outputs });
      assert.deepEqual(answer.json().outputs, [{ name: 'y', datatype: 'BYTES', shape: [1, 2], data: ['5:1', '4:3'] }]);
    });

    it('brings labels where the task has some, and as bytes where asked', async () => {
      const { infer } = await start({ model: PICTURES });
      const outputs = [{ name: 'y', parameters: { classification: 1, binary_data: true } }];
      const input = { name: 'x', datatype: 'BYTES', shape: [1], parameters: { content_type: 'base64' } };
      const data = [(await picture()).toString('base64')];
      const { headers, bytes } = await post(infer, { inputs: [{ ...input, data }], outputs });
      const element = bytes.subarray(Number(headers.get(LENGTH)));
      assert.equal(element.readUInt32LE(0), element.length - 4);
      assert.match(element.subarray(4).toString(), /^[\d.]+:(\d+):class \1$/);
    });

    it('of a number that is none is refused', async () => {
      const { infer } = await start();
      const outputs = [{ name: 'y', parameters: { classification: -1 } }];
      assert.equal((await post(infer, { inputs: [X], outputs })).status, 400);
    });
  });

  describe('repository', () => {
    it('lists what is ready, and what could be loaded', async () => {
      const { url } = await start();
      const all = (await post(`${url}/v2/repository/index`, '')).json() as unknown as { name: string; state: string }[];
      assert.deepEqual(all[0], { name: 'double', version: MODEL_ID, state: 'READY', reason: '' });
      assert.equal(all.find(({ name }) => name === 'squeezenet')?.state, 'UNAVAILABLE');
      const ready = (await post(`${url}/v2/repository/index`, { ready: true })).json() as unknown as unknown[];
      assert.equal(ready.length, 1);
    });

    it('refuses requests for what is unloaded, under each of its names, until it is loaded again', async () => {
      const { url, infer, peer } = await start();
      const change = (what: string) => post(`${url}/v2/repository/models/double/${what}`, '');
      assert.equal((await change('unload')).status, 200);
      for (const path of ['double', MODEL_ID]) {
        assert.equal((await post(`${url}/v2/models/${path}/infer`, { inputs: [X] })).status, 404);
      }
      assert.equal((await get(`${url}/v2/models/double/ready`)).status, 503);
      assert.equal(peer.requests.length, 0);
      assert.equal((await change('load')).status, 200);
      assert.equal((await post(infer, { inputs: [X] })).status, 200);
    });

    it('takes in a model that comes along, and says what it cannot', async () => {
      const { url, peer } = await start();
      const load = `${url}/v2/repository/models`;
      const file = Buffer.from('an ONNX file');
      const parameters = { config: '{}', 'file:1/model.onnx': file.toString('base64') };
      assert.equal((await post(`${load}/double/load`, { parameters })).status, 200);
      assert.equal(Buffer.compare(peer.imports[0]!.bytes, file), 0);
      const two = { ...parameters, 'file:2/model.onnx': '' };
      assert.equal((await post(`${load}/double/load`, { parameters: two })).status, 400);
      assert.equal((await post(`${load}/double/load`, { parameters: { 'file:1/x': 7 } })).status, 400);
      assert.equal((await post(`${load}/none/load`, '')).status, 404);
      assert.equal((await post(`${load}/none/unload`, '')).status, 404);
      assert.equal(peer.imports.length, 1);
    });
  });

  describe('statistics', () => {
    it('count what succeeded, what failed, samples and time', async () => {
      let fails = false;
      const beforeAnswer = () => (fails ? Promise.reject(new MeshError('PEER_LOST', 'gone')) : Promise.resolve());
      const { url, infer } = await start({ beforeAnswer });
      await post(infer, { inputs: [X] });
      await post(infer, { inputs: [{ ...X, shape: [2, 4], data: [...X.data, ...X.data] }] });
      fails = true;
      await post(infer, { inputs: [X] });
      const { model_stats } = (await get(`${url}/v2/models/stats`)).json() as {
        model_stats: Record<string, unknown>[];
      };
      const [entry] = model_stats;
      const stages = entry!.inference_stats as Record<string, { count: number; ns: number }>;
      assert.deepEqual([entry!.name, entry!.version], ['double', MODEL_ID]);
      assert.deepEqual([entry!.inference_count, entry!.execution_count], [3, 2]);
      assert.deepEqual([stages.success!.count, stages.fail!.count, stages.compute_input!.count], [2, 1, 2]);
      assert.ok(stages.success!.ns >= stages.compute_infer!.ns && stages.compute_infer!.ns > 0);
      const batches = entry!.batch_stats as { batch_size: number }[];
      assert.deepEqual(
        batches.map(({ batch_size }) => batch_size),
        [1, 2],
      );
    });

    it('of a model nobody asked are zero, of none an error', async () => {
      const { url } = await start();
      const { model_stats } = (await get(`${url}/v2/models/double/stats`)).json() as { model_stats: unknown[] };
      assert.equal((model_stats[0] as { inference_count: number }).inference_count, 0);
      assert.equal((await get(`${url}/v2/models/none/stats`)).status, 404);
    });
  });

  describe('headers', () => {
    it('name who answered, in what time, under which ids', async () => {
      const { infer } = await start();
      const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
      const { headers } = await post(infer, { inputs: [X] }, { traceparent, 'x-request-id': 'mine' });
      assert.match(headers.get('traceparent')!, /^00-a{32}-(?!b{16})[0-9a-f]{16}-01$/);
      assert.equal(headers.get('x-request-id'), 'mine');
      assert.match(headers.get('server-timing')!, /^input;dur=[\d.]+, mesh;dur=[\d.]+, output;dur=[\d.]+$/);
      const told = ['entry', 'coordinator', 'attempts', 'tiles'].map((name) => headers.get(`tilemesh-${name}`));
      assert.deepEqual(told, [SELF, OTHER, '1', '2']);
      assert.match(headers.get('tilemesh-request-id')!, /^[0-9a-f]{32}$/);
    });

    it('come with errors, too, and a trace that is none is replaced', async () => {
      const { url } = await start();
      for (const traceparent of ['nonsense', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`]) {
        const { headers, status } = await get(`${url}/v2/models/none`, { traceparent, 'x-request-id': 'mine' });
        assert.deepEqual([status, headers.get('x-request-id')], [404, 'mine']);
        assert.match(headers.get('traceparent')!, /^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      }
      assert.equal((await get(`${url}/v2`, { 'x-request-id': 'x'.repeat(257) })).status, 400);
    });

    it('set the deadline, as parameters do', async () => {
      const { infer, peer } = await start();
      await post(infer, { inputs: [X] }, { 'tilemesh-deadline-ms': '250' });
      await post(infer, { inputs: [X], parameters: { timeout: 3_000_000 } });
      await post(infer, { inputs: [X], parameters: { deadline_ms: 7 } }, { 'tilemesh-deadline-ms': '250' });
      assert.deepEqual(
        peer.requests.map(({ deadlineMs }) => deadlineMs),
        [250, 3000, 7],
      );
      assert.equal((await post(infer, { inputs: [X] }, { 'tilemesh-deadline-ms': 'soon' })).status, 400);
    });

    it('identify a request where the id is long enough', async () => {
      const { infer, peer } = await start();
      await post(infer, { inputs: [X] }, { 'x-request-id': 'c'.repeat(32) });
      assert.equal(peer.requests[0]?.requestId, 'c'.repeat(32));
    });
  });

  it('answers whatever is wrong with one line, and 4xx', async () => {
    const { infer, peer } = await start();
    const wrong: readonly (readonly [Uint8Array | string | object, Record<string, string>])[] = [
      ['[', {}],
      ['['.repeat(100_000), {}],
      [{ inputs: 7 }, {}],
      [{ inputs: [{ ...X, datatype: 'STRING' }] }, {}],
      [{ inputs: [{ ...X, shape: [1e9, 1e9, 1e9] }] }, {}],
      [{ inputs: [{ ...X, data: {} }] }, {}],
      [{ inputs: [{ ...X, datatype: 'BYTES', data: [7] }] }, {}],
      [{ inputs: [X], parameters: { deadline_ms: -1 } }, {}],
      [VALUES, { [LENGTH]: '-1' }],
      [VALUES, { [LENGTH]: '17' }],
      [VALUES, { [LENGTH]: '1e1' }],
    ];
    for (const [body, headers] of wrong) {
      const answer = await post(infer, body, headers);
      const { error } = answer.json();
      assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
      assert.ok(typeof error === 'string' && error !== '' && !error.includes('\n'));
    }
    assert.equal(peer.requests.length, 0);
  });
});
