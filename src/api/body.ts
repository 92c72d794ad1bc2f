/** Bodies of requests: read once, into memory that was counted before, and never more of it than the limit. */
import type { IncomingMessage } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MeshError } from '../core/errors.ts';
import { grownBytes } from './growth.ts';
import { guardMemory } from './guard.ts';
import type { ApiLimits } from './limits.ts';

const FIRST_BYTES = 64 * 1024;

/** Lets the routes of `app` take bodies of any type, as bytes. */
export function acceptBodies(app: FastifyInstance, { bodyBytes, bodyBytesInFlight }: ApiLimits): void {
  guardMemory(app, bodyBytes, bodyBytesInFlight);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) =>
    readBody(request, payload, bodyBytes),
  );
}

/** @throws MeshError PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA, INVALID_INPUT. */
async function readBody(request: FastifyRequest, payload: Readable, limit: number): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limit) throw tooLarge(limit);
  const source = decoded(payload, request.headers['content-encoding']);
  let body = Buffer.allocUnsafeSlow(Math.max(declared, FIRST_BYTES));
  let length = 0;
  try {
    // The connection is needed for the answer, whatever becomes of the body.
    for await (const chunk of source.iterator({ destroyOnReturn: source !== payload }) as AsyncIterable<Buffer>) {
      const end = length + chunk.byteLength;
      if (end > limit) throw tooLarge(limit);
      if (source !== payload && end > grownBytes(source.bytesWritten)) throw growsTooMuch(end);
      if (end > body.byteLength) body = grown(body, length, Math.min(limit, Math.max(end, 2 * body.byteLength)));
      body.set(chunk, length);
      length = end;
    }
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw new MeshError('INVALID_INPUT', 'the body broke off, or is not encoded as its Content-Encoding says', {
      cause: error,
    });
  }
  return body.subarray(0, length);
}

function grown(body: Buffer, length: number, size: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(size);
  body.copy(larger, 0, 0, length);
  return larger;
}

/** Counts what it has received, where it is not the body itself. */
type Source = Readable & { readonly bytesWritten: number };

function decoded(payload: Readable, encoding = 'identity'): Source {
  if (encoding === 'identity') return payload as Source;
  if (encoding !== 'gzip' && encoding !== 'deflate') {
    throw new MeshError('UNSUPPORTED_MEDIA', 'bodies are taken as they are, or with Content-Encoding gzip or deflate');
  }
  // Failures of either end reach whoever reads the decoded bytes.
  return pipeline(payload, encoding === 'gzip' ? createGunzip() : createInflate(), () => undefined);
}

const growsTooMuch = (length: number): MeshError =>
  new MeshError(
    'PAYLOAD_TOO_LARGE',
    `the body has grown to ${length} bytes, too many times what was sent: send it without Content-Encoding`,
  );

const tooLarge = (limit: number): MeshError =>
  new MeshError('PAYLOAD_TOO_LARGE', `the body is larger than the ${limit} bytes this peer accepts: send less at once`);
