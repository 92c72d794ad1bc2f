/** A long answer as it comes: one JSON document a line (NDJSON), progress first, then the result or the error. */
import { PassThrough } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { MeshError } from '../core/errors.ts';
import { errorBody, toApiError } from './error-reply.ts';
import type { ProgressListener } from './port.ts';

export const NDJSON = 'application/x-ndjson';
/** Unsent bytes beyond which progress is dropped: a slow reader misses marks, never the result. */
const MAX_UNSENT_BYTES = 64 * 1024;
/** Whoever hears nothing for much longer may ask another peer. */
const SIGN_OF_LIFE_MS = 500;

export const wantsEvents = (request: FastifyRequest): boolean => request.headers.accept?.includes(NDJSON) ?? false;

/**
 * Runs `work` and answers with its result: as one document, or as events where the client asked for them. Events are
 * `{ event: 'progress', stage, completed, total, coordinator? }`, then `{ event: 'result', ...result }` or
 * `{ event: 'error', error, code }`; and `{ event: 'alive' }` at once and twice a second until then.
 */
export async function replyWithProgress(
  request: FastifyRequest,
  reply: FastifyReply,
  work: (onProgress: ProgressListener) => Promise<object>,
  onError: (error: MeshError) => void,
): Promise<FastifyReply> {
  if (!wantsEvents(request)) return reply.send(await work(() => undefined));
  const stream = new PassThrough();
  const write = (event: string, body: object): void => {
    stream.write(`${JSON.stringify({ event, ...body })}\n`);
  };
  const mention = (event: string, body: object): void => {
    if (stream.writableLength < MAX_UNSENT_BYTES) write(event, body);
  };
  const live = (): void => mention('alive', {});
  const onProgress: ProgressListener = (stage, completed, total, coordinator) =>
    mention('progress', { stage, completed, total, coordinator });
  live();
  const signs = setInterval(live, SIGN_OF_LIFE_MS);
  work(onProgress)
    .then(
      (result) => write('result', result),
      (error: unknown) => {
        const failure = toApiError(error);
        onError(failure);
        write('error', errorBody(failure));
      },
    )
    .finally(() => {
      clearInterval(signs);
      stream.end();
    });
  return reply.type(NDJSON).send(stream);
}
