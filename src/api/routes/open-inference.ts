/** `/v2`: the Open Inference Protocol, for clients of Triton, KServe, OpenVINO and the like. */
import type { FastifyInstance } from 'fastify';
import { MeshError } from '../../core/errors.ts';
import type { ValueInfo } from '../../core/graph/graph.ts';
import { isRequestId } from '../../core/ids.ts';
import type { Tensor } from '../../core/tensor/tensor.ts';
import { fitInput } from '../../../models/tasks/tensors.ts';
import { requestSignal } from '../cancellation.ts';
import { clientOf, guardMemory, guardPlaces } from '../guard.ts';
import { DATATYPES, encodeInferReply, parseInferRequest } from '../open-inference.ts';
import type { ModelView, PeerPort } from '../port.ts';
import { defined, parseDeadlineMs, parseParallelism } from '../query.ts';
import type { ModelParameters, RouteContext } from './context.ts';

const HEADER_LENGTH = 'inference-header-content-length';

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function openInferenceRoutes(app: FastifyInstance, context: RouteContext): Promise<void> {
  const { peer, limits, closing } = context;
  guardPlaces(app, peer);
  guardMemory(app, limits.bodyBytes, limits.bodyBytesInFlight);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: limits.bodyBytes }, (_request, body, done) =>
    done(null, body),
  );

  app.get('/v2', () => ({ name: 'tilemesh', version: peer.self.version, extensions: ['binary_tensor_data'] }));
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', (_request, reply) => {
    const isReady = peer.ready();
    return reply.code(isReady ? 200 : 503).send({ ready: isReady });
  });

  app.get<ModelParameters>('/v2/models/:model', async (request) =>
    describeModel(await findModel(peer, request.params.model)),
  );
  app.get<ModelParameters>('/v2/models/:model/ready', async (request, reply) => {
    const model = await findModel(peer, request.params.model);
    const isReady = peer.ready();
    return reply.code(isReady ? 200 : 503).send({ name: model.name, ready: isReady });
  });

  app.post<ModelParameters & { Body: Uint8Array | undefined }>('/v2/models/:model/infer', async (request, reply) => {
    const signal = requestSignal(reply, closing);
    const headerLength = request.headers[HEADER_LENGTH];
    const asked = parseInferRequest(
      request.body ?? new Uint8Array(),
      headerLength === undefined ? undefined : Number(headerLength),
      limits.jsonBytes,
    );
    const { model } = request.params;
    const declared = (await peer.taskOf(model)).inputs;
    const result = await peer.infer({
      model,
      inputs: fitInputs(asked.inputs, declared),
      client: clientOf(request),
      parallelism: parseParallelism(asked.parameters.parallelism),
      signal,
      // Ids such as "1" are common and name different requests of different clients: only long ones identify.
      ...defined('requestId', asked.id !== undefined && isRequestId(asked.id) ? asked.id : undefined),
      ...defined('deadlineMs', parseDeadlineMs(asked.parameters.deadline_ms)),
    });
    const { report, requestId } = result;
    const encoded = encodeInferReply(
      {
        model_name: report.model,
        model_version: report.modelId,
        ...defined('id', asked.id),
        parameters: {
          request_id: requestId,
          coordinator: report.coordinator,
          term: report.term,
          elapsed_ms: report.elapsedMs,
          cut: report.cut,
        },
      },
      choose(result.outputs, asked.outputs),
      asked.isBinary,
    );
    if (encoded.headerBytes === undefined) return reply.type('application/json').send(encoded.body);
    return reply.header(HEADER_LENGTH, encoded.headerBytes).type('application/octet-stream').send(encoded.body);
  });
}

/** @throws MeshError MODEL_NOT_FOUND. */
async function findModel(peer: PeerPort, nameOrId: string): Promise<ModelView> {
  const models = await peer.models();
  const found = models.find((model) => model.name === nameOrId || model.id === nameOrId);
  if (found !== undefined) return found;
  throw new MeshError('MODEL_NOT_FOUND', `no peer has a model "${nameOrId}": see "npx tilemesh models"`);
}

const describeModel = (model: ModelView): object => ({
  name: model.name,
  versions: [model.id],
  platform: 'onnx_tilemesh',
  inputs: model.inputs.map(describeValue),
  outputs: model.outputs.map(describeValue),
});

const describeValue = (value: ValueInfo): object => ({
  name: value.name,
  datatype: DATATYPES[value.type],
  shape: value.dims.map((extent) => (typeof extent === 'number' ? extent : -1)),
});

function fitInputs(given: ReadonlyMap<string, Tensor>, declared: readonly ValueInfo[]): ReadonlyMap<string, Tensor> {
  const known = declared.map((input) => input.name);
  const unknown = [...given.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new MeshError('INVALID_INPUT', `the model has no input "${unknown}": its inputs are ${known.join(', ')}`);
  }
  return new Map(
    declared.map((input) => {
      const tensor = given.get(input.name);
      if (tensor === undefined) throw new MeshError('INVALID_INPUT', `input "${input.name}" is missing`);
      return [input.name, fitInput(tensor, input)];
    }),
  );
}

function choose(
  outputs: ReadonlyMap<string, Tensor>,
  names: readonly string[] | undefined,
): ReadonlyMap<string, Tensor> {
  if (names === undefined) return outputs;
  return new Map(
    names.map((name) => {
      const tensor = outputs.get(name);
      if (tensor === undefined) {
        const known = [...outputs.keys()].join(', ');
        throw new MeshError('INVALID_ARGUMENT', `the model has no output "${name}": its outputs are ${known}`);
      }
      return [name, tensor];
    }),
  );
}
