/** The gRPC form as a client of another make speaks it: `@grpc/proto-loader` reads the description, `protobufjs` the messages. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {
  compressionAlgorithms,
  credentials,
  loadPackageDefinition,
  Metadata,
  status,
  type Client,
  type ClientDuplexStream,
  type GrpcObject,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import sharp from 'sharp';
import { joinElements } from '../../../src/api/open-inference/values.ts';
import { API_LIMITS } from '../../../src/api/limits.ts';
import type { Api } from '../../../src/api/server.ts';
import { fromFloat32, numberValues } from '../../../src/core/tensor/tensor.ts';
import { fakePeer, MODEL_ID, OTHER, PICTURES, startFakeApi, TOKEN, type FakeOptions } from '../../support/fake-peer.ts';

const PROTO = path.resolve(import.meta.dirname, '../../../protocols/inference/inference.proto');

type Message = Record<string, unknown>;
type Method = (
  request: Message,
  metadata: Metadata,
  options: { readonly deadline?: number },
  done: (error: ServiceError | null, response: Message) => void,
) => { on(event: 'metadata', listener: (metadata: Metadata) => void): void };

interface Answer {
  readonly response: Message;
  readonly metadata: Metadata;
}

const INPUT = { name: 'x', datatype: 'FP32', shape: [1, 4] };
const CONTENTS = { fp32_contents: [1, 2, 3, 4] };
const RAW = fromFloat32([1, 4], [1, 2, 3, 4]).bytes;

describe('Open Inference Protocol over gRPC, asked by grpc-js with proto-loader', () => {
  let Service: ServiceClientConstructor;
  let api: Api;
  let client: Client;
  before(async () => {
    const definition = await load(PROTO, {
      keepCase: true,
      longs: Number,
      enums: String,
      defaults: true,
      oneofs: true,
    });
    const { inference } = loadPackageDefinition(definition) as unknown as { readonly inference: GrpcObject };
    Service = inference.GRPCInferenceService as ServiceClientConstructor;
  });
  afterEach(async () => {
    client.close();
    await api.close();
  });

  const start = async (options: FakeOptions = {}, limits = API_LIMITS) => {
    const peer = fakePeer(options);
    api = await startFakeApi(peer, { grpcPort: 0, limits });
    client = new Service(`127.0.0.1:${api.grpcPort}`, credentials.createInsecure());
    return peer;
  };
  const call = (name: string, request: Message = {}, metadata = new Metadata(), deadlineMs?: number): Promise<Answer> =>
    new Promise((resolve, reject) => {
      let first = new Metadata();
      const method = (client as unknown as Record<string, Method>)[name]!.bind(client);
      const deadline = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      method(request, metadata, deadline, (error, response) => {
        if (error === null) resolve({ response, metadata: first });
        else reject(error);
      }).on('metadata', (received) => (first = received));
    });
  const fails = async (code: status, message: RegExp, name: string, request: Message): Promise<void> => {
    await assert.rejects(call(name, request), (error) => {
      const { code: actual, details } = error as ServiceError;
      assert.equal(actual, code, details);
      assert.match(details, message);
      return true;
    });
  };
  const rawValues = ({ response }: Answer): number[] => {
    const [bytes] = response.raw_output_contents as Buffer[];
    return numberValues({ type: 'float32', shape: [bytes!.byteLength / 4], bytes: bytes! });
  };

  it('asks for the token when it can be reached from other machines', async () => {
    api = await startFakeApi(fakePeer(), { host: '0.0.0.0', grpcPort: 0 });
    client = new Service(`127.0.0.1:${api.grpcPort}`, credentials.createInsecure());
    await fails(status.UNAUTHENTICATED, /npx tilemesh token/, 'ServerLive', {});
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer wrong');
    await assert.rejects(call('ServerLive', {}, metadata), { code: status.UNAUTHENTICATED });
    metadata.set('authorization', `Bearer ${TOKEN}`);
    assert.deepEqual((await call('ServerLive', {}, metadata)).response, { live: true });
  });

  it('takes no compressed messages, which would grow to what nobody has counted', async () => {
    const peer = await start();
    client.close();
    const options = { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip };
    client = new Service(`127.0.0.1:${api.grpcPort}`, credentials.createInsecure(), options);
    const raw_input_contents = [new Uint8Array(2 ** 20)];
    const inputs = [{ ...INPUT, shape: [2 ** 16, 4] }];
    const request = { model_name: 'double', inputs, raw_input_contents };
    await fails(status.UNIMPLEMENTED, /send them as they are/, 'ModelInfer', request);
    assert.deepEqual(peer.requests, []);
  });

  it('tells of the server and of models', async () => {
    await start();
    assert.deepEqual((await call('ServerLive')).response, { live: true });
    assert.deepEqual((await call('ServerReady')).response, { ready: true });
    const { response } = await call('ServerMetadata');
    assert.deepEqual([response.name, response.version], ['tilemesh', '0.1.0']);
    assert.ok((response.extensions as string[]).includes('statistics'));
    assert.deepEqual((await call('ModelReady', { name: 'double', version: MODEL_ID })).response, { ready: true });
    assert.deepEqual((await call('ModelMetadata', { name: 'double' })).response, {
      name: 'double',
      versions: [MODEL_ID],
      platform: 'onnx_tilemesh',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 4] }],
      properties: { description: 'doubles', task: 'tensors', weights: 'trained' },
    });
    const { config } = (await call('ModelConfig', { name: 'double' })).response as { config: Message };
    assert.equal(config.backend, 'tilemesh');
    assert.deepEqual(config.input, [{ name: 'x', data_type: 'TYPE_FP32', dims: [-1, 4] }]);
    await fails(status.NOT_FOUND, /no peer has a model/, 'ModelMetadata', { name: 'none' });
    await fails(status.NOT_FOUND, /no version "7"/, 'ModelReady', { name: 'double', version: '7' });
  });

  it('infers from contents and from bytes, and says who answered', async () => {
    await start();
    const request = { model_name: 'double', id: 'mine' };
    const metadata = new Metadata();
    metadata.set('x-request-id', 'theirs');
    const typed = await call('ModelInfer', { ...request, inputs: [{ ...INPUT, contents: CONTENTS }] }, metadata);
    assert.deepEqual(rawValues(typed), [2, 4, 6, 8]);
    assert.deepEqual([typed.response.id, typed.response.model_version], ['mine', MODEL_ID]);
    assert.deepEqual(typed.metadata.get('tilemesh-coordinator'), [OTHER]);
    assert.deepEqual(typed.metadata.get('x-request-id'), ['theirs']);
    const raw = await call('ModelInfer', { ...request, inputs: [INPUT], raw_input_contents: [RAW] });
    assert.deepEqual(rawValues(raw), [2, 4, 6, 8]);
  });

  it('keeps 64-bit integers, and takes every field of contents', async () => {
    const dims = ['batch', 2] as const;
    const fields = {
      BOOL: ['bool', 'bool_contents', [true, false]],
      INT8: ['int8', 'int_contents', [-128, 127]],
      UINT16: ['uint16', 'uint_contents', [0, 65_535]],
      INT64: ['int64', 'int64_contents', ['-9223372036854775808', '9223372036854775807']],
      UINT64: ['uint64', 'uint64_contents', ['0', '18446744073709551615']],
      FP64: ['float64', 'fp64_contents', [0.1, -1e300]],
    } as const;
    for (const [datatype, [type, field, values]] of Object.entries(fields)) {
      const peer = await start({
        model: { task: { kind: 'tensors' }, inputs: [{ name: 'x', type, dims }], weights: 'trained' },
      });
      const inputs = [{ name: 'x', datatype, shape: [1, 2], contents: { [field]: values } }];
      await call('ModelInfer', { model_name: 'double', inputs });
      const { bytes } = peer.requests[0]!.inputs.get('x')!;
      if (type === 'int64' || type === 'uint64') {
        const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
        const last = type === 'int64' ? view.getBigInt64(8, true) : view.getBigUint64(8, true);
        assert.equal(String(last), values[1]);
      } else {
        assert.deepEqual(numberValues(peer.requests[0]!.inputs.get('x')!), values.map(Number));
      }
      client.close();
      await api.close();
    }
    await start();
  });

  it('takes encoded pictures, and answers with classes', async () => {
    await start({ model: PICTURES });
    const picture = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const answer = await call('ModelInfer', {
      model_name: 'double',
      inputs: [{ name: 'x', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [picture] } }],
      outputs: [{ name: 'y', parameters: { classification: { int64_param: 1 } } }],
    });
    const [bytes] = answer.response.raw_output_contents as Buffer[];
    const element = bytes!.subarray(4);
    assert.match(element.toString(), /^[\d.]+:(\d+):class \1$/);
    assert.deepEqual(bytes, joinElements([element]));
  });

  it('passes the deadline of the call on, and gives up with it', async () => {
    const peer = await start({
      beforeAnswer: ({ signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    });
    const request = { model_name: 'double', inputs: [{ ...INPUT, contents: CONTENTS }] };
    await assert.rejects(call('ModelInfer', request, new Metadata(), 500), { code: status.DEADLINE_EXCEEDED });
    const { deadlineMs } = peer.requests[0]!;
    assert.ok(deadlineMs !== undefined && deadlineMs > 0 && deadlineMs <= 500);
  });

  it('answers a stream of requests one by one, those that fail, too', async () => {
    await start();
    const method = (client as unknown as Record<string, () => ClientDuplexStream<Message, Message>>).ModelStreamInfer!;
    const stream = method.call(client);
    const answers: Message[] = [];
    const ended = new Promise((resolve, reject) => {
      stream.on('data', (message: Message) => answers.push(message));
      stream.on('end', resolve);
      stream.on('error', reject);
    });
    const count = 20;
    for (let index = 0; index < count; index++) {
      const model = index === 7 ? 'none' : 'double';
      stream.write({ model_name: model, id: String(index), inputs: [{ ...INPUT, contents: CONTENTS }] });
    }
    stream.end();
    await ended;
    const ids = answers.map((answer) => Number((answer.infer_response as Message).id)).sort((a, b) => a - b);
    assert.deepEqual(
      ids,
      Array.from({ length: count }, (_, index) => index),
    );
    const failed = answers.filter((answer) => answer.error_message !== '');
    assert.equal(failed.length, 1);
    assert.match(String(failed[0]!.error_message), /no peer has a model "none"/);
  });

  it('lists, unloads and loads models, and counts', async () => {
    const peer = await start();
    const index = async () => (await call('RepositoryIndex', { ready: true })).response.models as Message[];
    assert.deepEqual(await index(), [{ name: 'double', version: MODEL_ID, state: 'READY', reason: '' }]);
    await call('RepositoryModelUnload', { model_name: 'double' });
    assert.deepEqual(await index(), []);
    const inputs = [{ ...INPUT, contents: CONTENTS }];
    await fails(status.NOT_FOUND, /unloaded/, 'ModelInfer', { model_name: 'double', inputs });
    const parameters = { 'file:1/model.onnx': { bytes_param: Buffer.from('an ONNX file') } };
    await call('RepositoryModelLoad', { model_name: 'double', parameters });
    assert.equal(peer.imports.length, 1);
    await call('ModelInfer', { model_name: 'double', inputs });
    const { model_stats } = (await call('ModelStatistics', { name: 'double' })).response as { model_stats: Message[] };
    assert.deepEqual([model_stats[0]!.inference_count, model_stats[0]!.execution_count], [1, 1]);
    const stats = model_stats[0]!.inference_stats as Record<string, { count: number; ns: number }>;
    assert.ok(stats.compute_infer!.count === 1 && stats.compute_infer!.ns > 0);
  });

  it('refuses what would not fit beside the tensors of other calls', async () => {
    const arrived = Promise.withResolvers<undefined>();
    const release = Promise.withResolvers<undefined>();
    const beforeAnswer = async () => {
      arrived.resolve(undefined);
      await release.promise;
    };
    await start({ beforeAnswer }, { ...API_LIMITS, bodyBytesInFlight: 20 });
    const request = { model_name: 'double', inputs: [INPUT], raw_input_contents: [RAW] };
    const first = call('ModelInfer', request);
    await arrived.promise;
    assert.equal(api.active, 1);
    await fails(status.UNAVAILABLE, /too many large requests/, 'ModelInfer', request);
    release.resolve(undefined);
    assert.deepEqual(rawValues(await first), [2, 4, 6, 8]);
    assert.equal(api.active, 0);
  });

  it('refuses what is wrong, with what to do', async () => {
    const peer = await start({}, { ...API_LIMITS, bodyBytes: 100_000 });
    const model_name = 'double';
    const wrong: readonly (readonly [Message, RegExp])[] = [
      [{ inputs: [{ ...INPUT, datatype: 'FP8' }] }, /FP8/],
      [{ inputs: [{ ...INPUT, shape: [-1, 4] }] }, /shape/],
      [{ inputs: [INPUT] }, /0 values in fp32Contents where its shape needs 4/],
      [{ inputs: [INPUT, INPUT], raw_input_contents: [RAW, RAW] }, /twice/],
      [{ inputs: [INPUT], raw_input_contents: [RAW, RAW] }, /2 elements for 1 inputs/],
      [{ inputs: [INPUT], raw_input_contents: [RAW.subarray(1)] }, /15 bytes where its shape needs 16/],
      [{ inputs: [{ ...INPUT, contents: CONTENTS }], raw_input_contents: [RAW] }, /give one of them/],
      [{ inputs: [{ ...INPUT, datatype: 'UINT8', contents: { uint_contents: [1, 2, 3, 256] } }] }, /not an UINT8/],
      [{ inputs: [{ ...INPUT, datatype: 'FP16', contents: CONTENTS }] }, /raw_input_contents/],
      [{ inputs: [{ ...INPUT, contents: CONTENTS }], outputs: [{ name: 'z' }] }, /no output "z"/],
      [{ inputs: [] }, /"x" is missing/],
    ];
    for (const [request, message] of wrong) {
      await fails(status.INVALID_ARGUMENT, message, 'ModelInfer', { model_name, ...request });
    }
    const large = { model_name, inputs: [INPUT], raw_input_contents: [Buffer.alloc(200_000)] };
    await fails(status.RESOURCE_EXHAUSTED, /larger/, 'ModelInfer', large);
    assert.equal(peer.requests.length, 0);
  });
});
