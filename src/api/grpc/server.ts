/** The gRPC server of a peer: the Open Inference Protocol over HTTP/2, from listening to closing. */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import {
  Metadata,
  Server,
  type handleUnaryCall,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { MeshError } from '../../core/errors.ts';
import * as wire from '../../../protocols/inference/inference_pb.js';
import { toApiError } from '../error-reply.ts';
import type { ServerCertificate } from '../certificate.ts';
import type { ApiLimits } from '../limits.ts';
import { modelConfig } from '../open-inference/model-config.ts';
import type { InferenceService } from '../open-inference/service.ts';
import { runHeaders } from '../run-headers.ts';
import { continueTrace, REQUEST_ID_HEADER } from '../trace-context.ts';
import { TensorBudget } from './budget.ts';
import { callOf } from './call.ts';
import { credentialsOf } from './credentials.ts';
import { isLoopback } from '../guard.ts';
import { SERVICE } from './definition.ts';
import { encodingInterceptor, tokenInterceptor } from './guard.ts';
import { configMessage, filesToLoad, infer, modelStatistics, type Call } from './methods.ts';
import { serviceError } from './status.ts';
import { streamInfer } from './stream.ts';

export interface GrpcOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Asked for where other machines can call. */
  readonly token: string;
  /** TLS in place of calls in the clear. */
  readonly certificate?: ServerCertificate;
  readonly limits: ApiLimits;
  /** Aborts when the API closes. */
  readonly closing: AbortSignal;
  readonly onError: (error: MeshError) => void;
}

export interface GrpcServer {
  readonly port: number;
  /** Inferences in hand. */
  readonly active: number;
  /** Waits for calls under way for `limits.closeMs`. */
  close(): Promise<void>;
}

/** Calls under way on one connection; further ones wait at the client. */
const MAX_CALLS = 64;
const MEBIBYTE = 2 ** 20;

/** @throws MeshError PORT_IN_USE. */
export async function startGrpc(service: InferenceService, options: GrpcOptions): Promise<GrpcServer> {
  const { host, limits } = options;
  const server = new Server({
    'grpc.max_receive_message_length': limits.bodyBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': MAX_CALLS,
    'grpc-node.max_session_memory': limits.bodyBytesInFlight / MEBIBYTE,
    interceptors: [encodingInterceptor, ...(isLoopback(host) ? [] : [tokenInterceptor(options.token)])],
  });
  const budget = new TensorBudget(limits.bodyBytesInFlight);
  server.addService(SERVICE, implementation(service, budget, options));
  const address = `${host.includes(':') ? `[${host}]` : host}:${options.port}`;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentialsOf(options.certificate), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(bindError(address, error));
    });
  });
  return {
    port,
    get active() {
      return budget.calls;
    },
    close: () => close(server, limits.closeMs),
  };
}

const bindError = (address: string, cause: Error): MeshError =>
  new MeshError('PORT_IN_USE', `gRPC cannot listen on ${address}: choose another port with api.grpcPort`, { cause });

const close = (server: Server, patienceMs: number): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), patienceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });

function implementation(
  service: InferenceService,
  budget: TensorBudget,
  options: GrpcOptions,
): UntypedServiceImplementation {
  const { repository } = service;

  const unary =
    <Request, Response extends DescMessage>(
      response: Response,
      answer: (
        request: Request,
        call: Call,
        raw: ServerUnaryCall<Request, unknown>,
      ) => Promise<MessageInitShape<Response>>,
    ): handleUnaryCall<Request, MessageShape<Response>> =>
    (call, callback) => {
      answer(call.request, callOf(call, options.closing), call).then(
        (message) => callback(null, create(response, message)),
        (error: unknown) => {
          const failure = toApiError(error);
          options.onError(failure);
          callback(serviceError(failure));
        },
      );
    };

  return {
    serverLive: unary(wire.ServerLiveResponseSchema, () => Promise.resolve({ live: true })),
    serverReady: unary(wire.ServerReadyResponseSchema, () => Promise.resolve({ ready: service.isReady() })),
    serverMetadata: unary(wire.ServerMetadataResponseSchema, () => {
      const { extensions, ...metadata } = service.serverMetadata();
      return Promise.resolve({ ...metadata, extensions: [...extensions] });
    }),
    modelReady: unary(wire.ModelReadyResponseSchema, async ({ name, version }: wire.ModelReadyRequest) => ({
      ready: await service.isModelReady(name, version),
    })),
    modelMetadata: unary(wire.ModelMetadataResponseSchema, async ({ name, version }: wire.ModelMetadataRequest) => {
      const { inputs, outputs, versions, ...metadata } = await service.modelMetadata(name, version);
      const tensors = (list: typeof inputs) => list.map((tensor) => ({ ...tensor, shape: tensor.shape.map(BigInt) }));
      return { ...metadata, versions: [...versions], inputs: tensors(inputs), outputs: tensors(outputs) };
    }),
    modelConfig: unary(wire.ModelConfigResponseSchema, async ({ name, version }: wire.ModelConfigRequest) => ({
      config: configMessage(modelConfig(await service.modelMetadata(name, version))),
    })),
    modelInfer: unary(wire.ModelInferResponseSchema, async (request: wire.ModelInferRequest, call, raw) => {
      const { reply, response } = await budget.hold(request, () => infer(service, request, call));
      raw.sendMetadata(told(call.metadata, runHeaders(reply)));
      return response;
    }),
    modelStreamInfer: streamInfer(service, budget, options),
    modelStatistics: unary(
      wire.ModelStatisticsResponseSchema,
      async ({ name, version }: wire.ModelStatisticsRequest) => ({
        modelStats: (await service.statistics(name, version)).map(modelStatistics),
      }),
    ),
    repositoryIndex: unary(wire.RepositoryIndexResponseSchema, async ({ ready }: wire.RepositoryIndexRequest) => ({
      models: [...(await repository.index(ready))],
    })),
    repositoryModelLoad: unary(
      wire.RepositoryModelLoadResponseSchema,
      async (request: wire.RepositoryModelLoadRequest, { signal }) => {
        await repository.load(request.modelName, filesToLoad(request), signal);
        return {};
      },
    ),
    repositoryModelUnload: unary(
      wire.RepositoryModelUnloadResponseSchema,
      async ({ modelName }: wire.RepositoryModelUnloadRequest) => {
        await repository.unload(modelName);
        return {};
      },
    ),
  };
}

/** The caller's trace and id, and who answered. */
function told(asked: Metadata, headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const [traceparent] = asked.get('traceparent');
  metadata.set('traceparent', continueTrace(typeof traceparent === 'string' ? traceparent : undefined));
  const [id] = asked.get(REQUEST_ID_HEADER);
  if (typeof id === 'string') metadata.set(REQUEST_ID_HEADER, id);
  return metadata;
}
