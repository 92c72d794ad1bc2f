/**
 * `POST /v2/models/:model/classify`: a picture in, `[{ label, score }]` out, the likeliest first, as clients of Hugging Face's inference
 * endpoints expect it: the encoded picture as the body, or `{ "inputs": BASE64, "parameters": { "top_k": N } }`.
 */
import type { FastifyInstance } from 'fastify';
import * as v from 'valibot';
import { MeshError } from '../../core/errors.ts';
import { sniff, type Payload } from '../../../models/tasks/payload.ts';
import { postprocess, preprocess } from '../../../models/tasks/process.ts';
import { requestSignal } from '../cancellation.ts';
import { clientOf, guardPlaces } from '../guard.ts';
import { parseJson } from '../open-inference/json.ts';
import { defined, parseDeadlineMs, parseParallelism, parseVerify } from '../query.ts';
import { runHeaders } from '../run-headers.ts';
import type { ModelParameters, RouteContext } from './context.ts';

interface ClassifyRoute extends ModelParameters {
  readonly Body: Uint8Array | undefined;
  readonly Querystring: Readonly<Partial<Record<'parallelism' | 'deadlineMs' | 'top_k' | 'verify', string>>>;
}

const MAX_CLASSES = 1000;
const count = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_CLASSES));
const documentSchema = v.object({
  inputs: v.string(),
  parameters: v.optional(v.object({ top_k: v.optional(count) }), {}),
});

interface Asked {
  readonly payload: Payload;
  readonly classes?: number;
}

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function classifyRoutes(app: FastifyInstance, context: RouteContext): Promise<void> {
  const { peer, limits, closing } = context;
  guardPlaces(app, peer);

  app.post<ClassifyRoute>('/v2/models/:model/classify', async (request, reply) => {
    const signal = requestSignal(reply, closing);
    const startedAt = performance.now();
    const { model } = request.params;
    const { top_k, parallelism, deadlineMs, verify } = request.query;
    const isDocument = request.headers['content-type']?.startsWith('application/json') === true;
    const body = request.body ?? new Uint8Array();
    const asked = isDocument ? readDocument(body, limits.jsonBytes) : { payload: picture(body) };
    const classes = top_k === undefined ? asked.classes : readCount(top_k);

    const { task, inputs } = await peer.taskOf(model);
    if (task.kind !== 'image-classification') {
      throw new MeshError(
        'INVALID_ARGUMENT',
        `"${model}" does not classify pictures: ask it at /tilemesh/v1/models/${model}/run`,
      );
    }
    const prepared = await preprocess(task, asked.payload, inputs);
    const preparedAt = performance.now();
    const result = await peer.infer({
      model,
      client: clientOf(request),
      inputs: prepared.inputs,
      parallelism: parseParallelism(parallelism),
      isVerified: parseVerify(verify),
      ...defined('deadlineMs', parseDeadlineMs(deadlineMs)),
      signal,
    });
    const inferredAt = performance.now();
    const answer = postprocess({ ...task, topK: classes ?? task.topK }, result.outputs, prepared.context);
    if (answer.kind !== 'classes') throw new MeshError('INTERNAL', 'a classification brought no classes');
    const timing = {
      inputMs: preparedAt - startedAt,
      inferMs: inferredAt - preparedAt,
      outputMs: performance.now() - inferredAt,
    };
    context.statistics.converted(result.report.modelId, result.report.model, timing);
    reply.headers(runHeaders({ ...result, timing }));
    return answer.top.map(({ index, label, probability }) => ({
      label: label ?? `LABEL_${index}`,
      score: probability,
    }));
  });
}

function picture(bytes: Uint8Array): Payload {
  if (sniff(bytes) === 'image') return { kind: 'image', bytes };
  throw new MeshError(
    'UNSUPPORTED_MEDIA',
    'there is no picture: send a PNG, JPEG, WebP, GIF, TIFF or AVIF as the body',
  );
}

function readDocument(body: Uint8Array, maxBytes: number): Asked {
  const result = v.safeParse(documentSchema, parseJson(body, maxBytes), { abortEarly: true });
  if (!result.success) {
    throw new MeshError(
      'INVALID_INPUT',
      'send { "inputs": PICTURE IN BASE64, "parameters": { "top_k": N } }, or the picture itself',
    );
  }
  const { inputs, parameters } = result.output;
  return { payload: picture(Buffer.from(inputs, 'base64')), ...defined('classes', parameters.top_k) };
}

function readCount(text: string): number {
  const result = v.safeParse(count, Number(text));
  if (result.success) return result.output;
  throw new MeshError('INVALID_ARGUMENT', `top_k is a number of classes from 1 to ${MAX_CLASSES}`);
}
