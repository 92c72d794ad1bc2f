/** `ModelStreamInfer`: many requests over one call, answered as they are ready; one that fails does not end the call. */
import { create } from '@bufbuild/protobuf';
import type { handleBidiStreamingCall } from '@grpc/grpc-js';
import type { MeshError } from '../../core/errors.ts';
import {
  ModelStreamInferResponseSchema,
  type ModelInferRequest,
  type ModelStreamInferResponse,
} from '../../../protocols/inference/inference_pb.js';
import { toApiError } from '../error-reply.ts';
import type { InferenceService } from '../open-inference/service.ts';
import { callOf } from './call.ts';
import { infer } from './methods.ts';

/** Requests of one call in hand; the next one is read when one of them is answered. */
const MAX_IN_HAND = 8;

export interface StreamOptions {
  readonly closing: AbortSignal;
  readonly onError: (error: MeshError) => void;
}

export const streamInfer =
  (
    service: InferenceService,
    { closing, onError }: StreamOptions,
  ): handleBidiStreamingCall<ModelInferRequest, ModelStreamInferResponse> =>
  (call) => {
    const context = callOf(call, closing);
    let inHand = 0;
    let isComplete = false;

    const answer = async (request: ModelInferRequest): Promise<ModelStreamInferResponse> => {
      try {
        const { response } = await infer(service, request, context);
        return create(ModelStreamInferResponseSchema, { inferResponse: response });
      } catch (error) {
        const failure = toApiError(error);
        onError(failure);
        return create(ModelStreamInferResponseSchema, {
          errorMessage: failure.message,
          inferResponse: { modelName: request.modelName, id: request.id },
        });
      }
    };

    const done = (message: ModelStreamInferResponse): void => {
      inHand--;
      if (!call.cancelled) call.write(message);
      call.resume();
      if (isComplete && inHand === 0) call.end();
    };

    call.on('data', (request: ModelInferRequest) => {
      if (++inHand >= MAX_IN_HAND) call.pause();
      void answer(request).then(done);
    });
    call.on('end', () => {
      isComplete = true;
      if (inHand === 0) call.end();
    });
    // Told by `cancelled`, too, which ends what is in hand.
    call.on('error', () => undefined);
  };
