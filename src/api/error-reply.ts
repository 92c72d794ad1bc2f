/** Errors as HTTP: the status of their code, `{ error, code }` as body, and when to try again. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply } from 'fastify';
import {
  ERROR_CODES,
  MeshError,
  toMeshError,
  type ErrorCode,
  type ErrorDetails,
  type Failure,
} from '../core/errors.ts';

/** Seconds after which a refused client may try again, where nothing better is known. */
const RETRY_AFTER_SECONDS = 1;

const retryAfterSeconds = ({ retryAfterMs }: ErrorDetails): number =>
  typeof retryAfterMs === 'number' ? Math.max(1, Math.ceil(retryAfterMs / 1000)) : RETRY_AFTER_SECONDS;

export interface ErrorBody {
  readonly error: string;
  readonly code: ErrorCode;
  readonly details?: ErrorDetails;
}

export const errorBody = (error: Failure): ErrorBody => ({
  error: error.message,
  code: error.code,
  ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }),
});

/** Refusals of the HTTP framework itself, which come with a status but no code of ours. */
const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_ARGUMENT',
  404: 'NOT_FOUND',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA',
  503: 'UNAVAILABLE',
};

export function toApiError(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  const code = CODE_OF_STATUS[status];
  if (code === 'PAYLOAD_TOO_LARGE') {
    return new MeshError(code, 'the request is larger than this peer accepts: send less at once', { cause: error });
  }
  return toMeshError(error, code ?? 'INTERNAL');
}

export function sendError(reply: FastifyReply, error: MeshError): FastifyReply {
  const { status } = ERROR_CODES[error.code];
  if (status === 503) reply.header('retry-after', retryAfterSeconds(error.details));
  return reply.code(status).type('application/json').send(errorBody(error));
}

/**
 * The same without the framework, for what is refused by the thousand: half of the time goes to those that are answered. What
 * has been read of the body is left, and the rest is passed over.
 */
export function refuseAtOnce(reply: FastifyReply, failure: Failure): void {
  reply.hijack();
  const body = JSON.stringify(errorBody(failure));
  reply
    .header('content-type', 'application/json')
    .header('content-length', Buffer.byteLength(body))
    .header('retry-after', retryAfterSeconds(failure.details));
  reply.raw.writeHead(ERROR_CODES[failure.code].status, reply.getHeaders() as OutgoingHttpHeaders).end(body);
}
