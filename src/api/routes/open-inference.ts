/** `/v2`: the Open Inference Protocol, for clients of Triton, KServe, OpenVINO and the like. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MeshError } from '../../core/errors.ts';
import { isRequestId, type RequestId } from '../../core/ids.ts';
import { acceptBodies } from '../body.ts';
import { requestSignal } from '../cancellation.ts';
import { clientOf, guardPlaces } from '../guard.ts';
import { modelConfig } from '../open-inference/model-config.ts';
import { encodeInferReply, type HttpReply } from '../open-inference/reply.ts';
import { parseInferRequest } from '../open-inference/request.ts';
import { replyParameters } from '../open-inference/service.ts';
import { defined, parseDeadlineMs } from '../query.ts';
import { runHeaders } from '../run-headers.ts';
import { REQUEST_ID_HEADER } from '../trace-context.ts';
import type { RouteContext } from './context.ts';

const HEADER_LENGTH = 'inference-header-content-length';
const DEADLINE = 'tilemesh-deadline-ms';
/** Answers beyond go out piece by piece, without a copy of the whole. */
const MAX_JOINED_BYTES = 64 * 1024;

interface ModelRoute {
  readonly Params: { readonly model: string; readonly version?: string };
}

interface InferRoute extends ModelRoute {
  readonly Body: Uint8Array | undefined;
}

/** Both forms of a path: whichever version there is, and the one that is named. */
const versioned = (path: string): readonly string[] => [
  `/v2/models/:model${path}`,
  `/v2/models/:model/versions/:version${path}`,
];

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function openInferenceRoutes(app: FastifyInstance, context: RouteContext): Promise<void> {
  const { inference, peer, limits, closing } = context;
  guardPlaces(app, peer);
  acceptBodies(app, limits);

  app.get('/v2', () => inference.serverMetadata());
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', (_request, reply) => {
    const isReady = inference.isReady();
    return reply.code(isReady ? 200 : 503).send({ ready: isReady });
  });
  app.get('/v2/models/stats', async () => ({ model_stats: await inference.statistics() }));

  for (const path of versioned('')) {
    app.get<ModelRoute>(path, ({ params }) => inference.modelMetadata(params.model, params.version));
  }
  for (const path of versioned('/config')) {
    app.get<ModelRoute>(path, async ({ params }) =>
      modelConfig(await inference.modelMetadata(params.model, params.version)),
    );
  }
  for (const path of versioned('/ready')) {
    app.get<ModelRoute>(path, async ({ params }, reply) => {
      const isReady = await inference.isModelReady(params.model, params.version);
      return reply.code(isReady ? 200 : 503).send({ name: params.model, ready: isReady });
    });
  }
  for (const path of versioned('/stats')) {
    app.get<ModelRoute>(path, async ({ params }) => ({
      model_stats: await inference.statistics(params.model, params.version),
    }));
  }
  for (const path of versioned('/infer')) {
    app.post<InferRoute>(path, async (request, reply) => {
      const signal = requestSignal(reply, closing);
      const question = parseInferRequest(request.body ?? new Uint8Array(), headerLength(request), limits.jsonBytes);
      const answer = await inference.infer(question, {
        ...request.params,
        client: clientOf(request),
        signal,
        ...defined('requestId', identity(question.id, request.headers[REQUEST_ID_HEADER])),
        ...defined('deadlineMs', parseDeadlineMs(request.headers[DEADLINE])),
      });
      const head = {
        model_name: answer.report.model,
        model_version: answer.report.modelId,
        ...defined('id', question.id),
        parameters: replyParameters(answer),
      };
      return send(reply.headers(runHeaders(answer)), encodeInferReply(head, answer.outputs, question.isBinary));
    });
  }
}

function headerLength({ headers }: FastifyRequest): number | undefined {
  const length = headers[HEADER_LENGTH];
  if (length === undefined) return undefined;
  if (typeof length === 'string' && /^\d{1,15}$/.test(length)) return Number(length);
  throw new MeshError('INVALID_INPUT', 'Inference-Header-Content-Length is a number of bytes');
}

/** Ids such as "1" are common and name different requests of different clients: only long ones identify. */
function identity(...ids: readonly unknown[]): RequestId | undefined {
  return ids.find((id): id is RequestId => typeof id === 'string' && isRequestId(id));
}

function send(reply: FastifyReply, { parts, headerBytes }: HttpReply): FastifyReply {
  const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  reply.header('content-length', length);
  if (headerBytes === undefined) reply.type('application/json');
  else reply.header(HEADER_LENGTH, headerBytes).type('application/octet-stream');
  if (length <= MAX_JOINED_BYTES) return reply.send(Buffer.concat(parts));
  return reply.send(Readable.from(parts, { objectMode: false }));
}
