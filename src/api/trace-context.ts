/**
 * How a request is known to those who sent it: W3C trace context (https://www.w3.org/TR/trace-context/) and `X-Request-Id`, both taken
 * and given back, with errors, too.
 */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { MeshError } from '../core/errors.ts';

export const REQUEST_ID_HEADER = 'x-request-id';
const MAX_REQUEST_ID_LENGTH = 256;

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
const ZEROS = /^0+$/;
const VERSION = '00';
const NOT_SAMPLED = '00';

/** The `traceparent` of this peer's part of a trace: the caller's trace, or a new one where there is none that is valid. */
export function continueTrace(traceparent: string | undefined): string {
  const [, trace = '', parent = '', flags = NOT_SAMPLED] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  const isValid = trace !== '' && !ZEROS.test(trace) && !ZEROS.test(parent);
  return [VERSION, isValid ? trace : randomHex(32), randomHex(16), isValid ? flags : NOT_SAMPLED].join('-');
}

/** Up to 32 digits. UUIDs are drawn ahead, many at a time, which costs a request less than random bytes of its own. */
const randomHex = (digits: number): string => randomUUID().replaceAll('-', '').slice(-digits);

export function traceRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { traceparent, [REQUEST_ID_HEADER]: id } = request.headers;
    reply.header('traceparent', continueTrace(typeof traceparent === 'string' ? traceparent : undefined));
    if (typeof id === 'string' && id.length > MAX_REQUEST_ID_LENGTH) {
      done(new MeshError('INVALID_ARGUMENT', `X-Request-Id may have ${MAX_REQUEST_ID_LENGTH} letters`));
      return;
    }
    if (typeof id === 'string') reply.header(REQUEST_ID_HEADER, id);
    done();
  });
}
