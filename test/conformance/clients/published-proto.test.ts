/**
 * The published description of the gRPC form: what that has, ours has with the same numbers and types, and a client that was
 * made from it, and has never seen ours, is answered in all its methods.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  status,
  type GrpcObject,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { load, type PackageDefinition } from '@grpc/proto-loader';
import { numberValues } from '../../../src/core/tensor/tensor.ts';
import { fakePeer, MODEL_ID, startFakeApi } from '../../support/fake-peer.ts';
import { publishedDescription } from '../../support/published.ts';

const OURS = path.resolve(import.meta.dirname, '../../../protocols/inference/inference.proto');

interface Described {
  readonly name: string;
  readonly field: readonly {
    readonly name: string;
    readonly number: number;
    readonly type: string;
    readonly label: string;
  }[];
  readonly nestedType: readonly Described[];
}

/** `Message.field = number type label`, one line for each field of each message. */
function fieldsOf({ name, field, nestedType }: Described, outer = ''): string[] {
  const full = `${outer}${name}`;
  const own = field.map((one) => `${full}.${one.name} = ${one.number} ${one.type} ${one.label}`);
  return [...own, ...nestedType.flatMap((nested) => fieldsOf(nested, `${full}.`))];
}

const linesOf = (definition: PackageDefinition): Set<string> =>
  new Set(
    Object.entries(definition).flatMap(([name, value]) => {
      if ('type' in value) return 'field' in value.type ? fieldsOf(value.type as Described) : [];
      return Object.values(value)
        .filter((method) => typeof method === 'object' && 'path' in method)
        .map((method) => `${name} ${method.path} ${method.requestStream} ${method.responseStream}`);
    }),
  );

type Message = Readonly<Record<string, unknown>>;
type Method = (request: Message, done: (error: ServiceError | null, response: Message) => void) => void;

describe('the published description of the gRPC form', () => {
  let file: string;
  before(async function () {
    const published = await publishedDescription('open_inference_grpc.proto');
    if ('missing' in published) {
      console.log(`gRPC description: ${published.missing}`);
      this.skip();
    }
    file = published.file;
  });

  it('has nothing that ours does not have by the same names, numbers and types', async () => {
    const ours = linesOf(await load(OURS, { keepCase: true }));
    const theirs = linesOf(await load(file, { keepCase: true }));
    assert.ok(theirs.size > 30);
    assert.deepEqual([...theirs].filter((line) => !ours.has(line)), []); // prettier-ignore
  });

  it('makes a client that is answered in every method', async () => {
    const definition = await load(file, { keepCase: true, longs: Number, defaults: true, oneofs: true });
    const { inference } = loadPackageDefinition(definition) as unknown as { readonly inference: GrpcObject };
    const Service = inference.GRPCInferenceService as ServiceClientConstructor;
    const api = await startFakeApi(fakePeer(), { grpcPort: 0 });
    const client = new Service(`127.0.0.1:${api.grpcPort}`, credentials.createInsecure());
    const call = (name: string, request: Message = {}): Promise<Message> =>
      new Promise((resolve, reject) => {
        const method = (client as unknown as Readonly<Record<string, Method>>)[name]!.bind(client);
        method(request, (error, response) => (error === null ? resolve(response) : reject(error)));
      });
    const x = { name: 'x', datatype: 'FP32', shape: [1, 4] };
    const request = { model_name: 'double', model_version: MODEL_ID, id: 'mine' };
    try {
      assert.deepEqual(
        new Set(Object.keys(Service.service)),
        new Set(['ServerLive', 'ServerReady', 'ServerMetadata', 'ModelReady', 'ModelMetadata', 'ModelInfer']),
      );
      assert.deepEqual(await call('ServerLive'), { live: true });
      assert.deepEqual(await call('ServerReady'), { ready: true });
      assert.equal((await call('ServerMetadata')).name, 'tilemesh');
      assert.deepEqual(await call('ModelReady', { name: 'double' }), { ready: true });
      const { inputs, versions } = await call('ModelMetadata', { name: 'double', version: MODEL_ID });
      assert.deepEqual([inputs, versions], [[{ ...x, shape: [-1, 4] }], [MODEL_ID]]);
      const contents = { fp32_contents: [1, 2, 3, 4] };
      const {
        id,
        outputs,
        raw_output_contents: raw,
      } = await call('ModelInfer', {
        ...request,
        inputs: [{ ...x, contents }],
      });
      const [{ name, datatype, shape }] = outputs as [Message];
      assert.deepEqual([id, name, datatype, shape], ['mine', 'y', 'FP32', [1, 4]]);
      const [bytes] = raw as Buffer[];
      assert.deepEqual(numberValues({ type: 'float32', shape: [4], bytes: bytes! }), [2, 4, 6, 8]);
      await assert.rejects(call('ModelReady', { name: 'none' }), { code: status.NOT_FOUND });
      await assert.rejects(call('ModelInfer', { ...request, inputs: [] }), { code: status.INVALID_ARGUMENT });
    } finally {
      client.close();
      await api.close();
    }
  });
});
