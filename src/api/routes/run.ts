/** `POST /tilemesh/v1/models/:model/run`: a picture, a text or an array in; an answer for people, and who computed it, out. */
import type { FastifyInstance } from 'fastify';
import { MeshError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor/tensor.ts';
import { writeNpy } from '../../../models/tasks/npy.ts';
import { sniff, type Payload, type PayloadKind } from '../../../models/tasks/payload.ts';
import { postprocess, preprocess } from '../../../models/tasks/process.ts';
import { requestSignal } from '../cancellation.ts';
import { replyWithProgress } from '../event-stream.ts';
import { clientOf, guardPlaces } from '../guard.ts';
import { OCR, runOcr } from '../ocr.ts';
import { defined, parseDeadlineMs, parseParallelism, parseRequestId, parseVerify } from '../query.ts';
import type { ModelParameters, RouteContext } from './context.ts';

interface RunRoute extends ModelParameters {
  readonly Body: Uint8Array | undefined;
  /** `outputs=npy` adds the tensors of the network, as .npy files in base64. */
  readonly Querystring: Readonly<
    Partial<Record<'parallelism' | 'requestId' | 'deadlineMs' | 'outputs' | 'verify', string>>
  >;
}

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function runRoutes(app: FastifyInstance, context: RouteContext): Promise<void> {
  const { peer, closing, onError } = context;
  guardPlaces(app, peer);

  app.post<RunRoute>('/tilemesh/v1/models/:model/run', async (request, reply) => {
    const signal = requestSignal(reply, closing);
    const { model } = request.params;
    const { query } = request;
    const options = {
      client: clientOf(request),
      parallelism: parseParallelism(query.parallelism),
      isVerified: parseVerify(query.verify),
      ...defined('requestId', parseRequestId(query.requestId)),
      ...defined('deadlineMs', parseDeadlineMs(query.deadlineMs)),
    };
    const payload = readPayload(request.body ?? new Uint8Array(), request.headers['content-type']);
    if (model === OCR) {
      return replyWithProgress(
        request,
        reply,
        (onProgress) => runOcr(peer, payload, { ...options, signal }, onProgress),
        onError,
      );
    }
    const { task, inputs, weights } = await peer.taskOf(model);
    const prepared = await preprocess(task, payload, inputs);
    return replyWithProgress(
      request,
      reply,
      async (onProgress) => {
        const result = await peer.infer({ ...options, model, inputs: prepared.inputs, signal, onProgress });
        return {
          requestId: result.requestId,
          weights,
          answer: postprocess(task, result.outputs, prepared.context),
          report: result.report,
          ...(query.outputs === 'npy' ? { outputs: encodeOutputs(result.outputs) } : {}),
        };
      },
      onError,
    );
  });
}

const KIND_OF_TYPE: readonly (readonly [RegExp, PayloadKind])[] = [
  [/^image\//, 'image'],
  [/^text\//, 'text'],
  [/^application\/x-npy\b/, 'npy'],
];

/** The content decides; what the client says of it must not contradict. */
function readPayload(bytes: Uint8Array, contentType = ''): Payload {
  const actual = sniff(bytes);
  const declared = KIND_OF_TYPE.find(([pattern]) => pattern.test(contentType))?.[1];
  if (actual === undefined) {
    throw new MeshError(
      'UNSUPPORTED_MEDIA',
      bytes.byteLength === 0
        ? 'there is no input: send a picture, a text or a .npy array as the body'
        : 'the input is not a picture, a text or a .npy array: PNG, JPEG, WebP, GIF, TIFF and AVIF can be read',
    );
  }
  if (declared !== undefined && declared !== actual) {
    throw new MeshError('UNSUPPORTED_MEDIA', `the input is declared as ${contentType}, but its content is not`);
  }
  return { kind: actual, bytes };
}

const encodeOutputs = (outputs: ReadonlyMap<string, Tensor>): object[] =>
  [...outputs].map(([name, tensor]) => ({
    name,
    type: tensor.type,
    shape: tensor.shape,
    npy: Buffer.from(writeNpy(tensor)).toString('base64'),
  }));
