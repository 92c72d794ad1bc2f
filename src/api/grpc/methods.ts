/** What each method of the gRPC form does: all of it is in the service that the HTTP form asks, too. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Metadata } from '@grpc/grpc-js';
import { MeshError } from '../../core/errors.ts';
import { isRequestId } from '../../core/ids.ts';
import {
  DataType,
  type ModelConfigSchema,
  type ModelInferRequest,
  type ModelInferResponseSchema,
  type ModelStatisticsSchema,
  type RepositoryModelLoadRequest,
} from '../../../protocols/inference/inference_pb.js';
import type { ModelConfig, TensorConfig } from '../open-inference/model-config.ts';
import { FILE_PARAMETER } from '../open-inference/repository.ts';
import type { InferenceService, Reply, StatisticsEntry } from '../open-inference/service.ts';
import { defined } from '../query.ts';
import { REQUEST_ID_HEADER } from '../trace-context.ts';
import { readRequest, writeResponse } from './messages.ts';

export interface Call {
  readonly metadata: Metadata;
  /** Absent where the client waits for ever. */
  readonly deadlineMs?: number;
  readonly signal: AbortSignal;
  /** Address of the client. */
  readonly client: string;
}

export interface Inferred {
  readonly reply: Reply;
  readonly response: MessageInitShape<typeof ModelInferResponseSchema>;
}

/** @throws MeshError of any code. */
export async function infer(
  service: InferenceService,
  request: ModelInferRequest,
  { metadata, deadlineMs, signal, client }: Call,
): Promise<Inferred> {
  const question = readRequest(request);
  const [header] = metadata.get(REQUEST_ID_HEADER);
  const requestId = [request.id, header].find((id) => typeof id === 'string' && isRequestId(id));
  const reply = await service.infer(question, {
    model: request.modelName,
    version: request.modelVersion,
    signal,
    client,
    ...defined('requestId', requestId),
    ...defined('deadlineMs', deadlineMs),
  });
  return { reply, response: writeResponse(reply, request.id) };
}

const tensorMessage = ({ name, data_type, dims }: TensorConfig) => ({
  name,
  dataType: DataType[data_type as keyof typeof DataType],
  dims: dims.map(BigInt),
});

export const configMessage = ({
  max_batch_size: maxBatchSize,
  input,
  output,
  ...config
}: ModelConfig): MessageInitShape<typeof ModelConfigSchema> => ({
  ...config,
  maxBatchSize,
  input: input.map(tensorMessage),
  output: output.map(tensorMessage),
});

export function filesToLoad({ parameters }: RepositoryModelLoadRequest): ReadonlyMap<string, Uint8Array> {
  const files = Object.entries(parameters).filter(([name]) => FILE_PARAMETER.test(name));
  return new Map(
    files.map(([name, { parameterChoice }]) => {
      if (parameterChoice.case === 'bytesParam') return [name, parameterChoice.value];
      throw new MeshError('INVALID_INPUT', `the parameter ${name} is not valid: a file is sent as bytes`);
    }),
  );
}

interface Duration {
  readonly count: bigint;
  readonly ns: bigint;
}

const duration = ({ count, ns }: { readonly count: number; readonly ns: number }): Duration => ({
  count: BigInt(count),
  ns: BigInt(ns),
});

export const modelStatistics = (entry: StatisticsEntry): MessageInitShape<typeof ModelStatisticsSchema> => {
  const { inference_stats: stats } = entry;
  return {
    name: entry.name,
    version: entry.version,
    lastInference: BigInt(entry.last_inference),
    inferenceCount: BigInt(entry.inference_count),
    executionCount: BigInt(entry.execution_count),
    inferenceStats: {
      success: duration(stats.success),
      fail: duration(stats.fail),
      queue: duration(stats.queue),
      computeInput: duration(stats.compute_input),
      computeInfer: duration(stats.compute_infer),
      computeOutput: duration(stats.compute_output),
      cacheHit: duration(stats.cache_hit),
      cacheMiss: duration(stats.cache_miss),
    },
    batchStats: entry.batch_stats.map(({ batch_size: size, compute_infer: compute }) => ({
      batchSize: BigInt(size),
      computeInfer: duration(compute),
    })),
  };
};
