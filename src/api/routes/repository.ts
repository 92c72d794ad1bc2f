/** `/v2/repository`: the model repository extension of the Open Inference Protocol. */
import type { FastifyInstance } from 'fastify';
import * as v from 'valibot';
import { MeshError } from '../../core/errors.ts';
import { acceptBodies } from '../body.ts';
import { requestSignal } from '../cancellation.ts';
import { parseJson } from '../open-inference/json.ts';
import { FILE_PARAMETER } from '../open-inference/repository.ts';
import type { ModelParameters, RouteContext } from './context.ts';

interface Route extends ModelParameters {
  readonly Body: Uint8Array | undefined;
}

const indexSchema = v.object({ ready: v.optional(v.boolean(), false) });
const changeSchema = v.object({ parameters: v.optional(v.record(v.string(), v.unknown()), {}) });

/** @throws MeshError INVALID_INPUT; nothing at all is an empty document. */
function read<Schema extends v.GenericSchema>(
  schema: Schema,
  body: Uint8Array | undefined,
  maxBytes: number,
): v.InferOutput<Schema> {
  const document = body === undefined || body.byteLength === 0 ? {} : parseJson(body, maxBytes);
  const result = v.safeParse(schema, document, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw new MeshError('INVALID_INPUT', `${v.getDotPath(issue) ?? 'the request'} is not valid: ${issue.message}`);
}

function filesOf(parameters: Readonly<Record<string, unknown>>): ReadonlyMap<string, Uint8Array> {
  const files = Object.entries(parameters).filter(([name]) => FILE_PARAMETER.test(name));
  return new Map(
    files.map(([name, content]) => {
      if (typeof content === 'string') return [name, Buffer.from(content, 'base64')];
      throw new MeshError('INVALID_INPUT', `parameters.${name} is not valid: a file is sent in base64`);
    }),
  );
}

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function repositoryRoutes(app: FastifyInstance, context: RouteContext): Promise<void> {
  const { limits, closing } = context;
  const { repository } = context.inference;
  acceptBodies(app, limits);

  app.post<Route>('/v2/repository/index', ({ body }) =>
    repository.index(read(indexSchema, body, limits.jsonBytes).ready),
  );

  app.post<Route>('/v2/repository/models/:model/load', async ({ body, params }, reply) => {
    const { parameters } = read(changeSchema, body, limits.jsonBytes);
    await repository.load(params.model, filesOf(parameters), requestSignal(reply, closing));
    return {};
  });

  app.post<Route>('/v2/repository/models/:model/unload', async ({ body, params }) => {
    read(changeSchema, body, limits.jsonBytes);
    await repository.unload(params.model);
    return {};
  });
}
