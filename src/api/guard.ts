/**
 * What is checked before a request is read: that it was meant for this peer, and that there is room for its body.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MeshError } from '../core/errors.ts';
import type { PeerPort } from './port.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);

export const isLoopback = (host: string): boolean => LOOPBACK.has(host) || /^127(\.\d{1,3}){3}$/.test(host);

const hostOf = (url: string): string | undefined => (URL.canParse(url) ? new URL(url).host : undefined);

/**
 * A web page may point a name of its own at 127.0.0.1, or post here across origins; neither is a client of this peer.
 * Programs send no `Origin`, and on the loopback address name the host as such.
 */
export function guardOrigin(app: FastifyInstance, boundHost: string): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const host = request.headers.host ?? '';
    const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
    const { origin } = request.headers;
    if (isLoopback(boundHost) && !isLoopback(name)) {
      done(
        new MeshError(
          'INVALID_ARGUMENT',
          `this peer answers on ${boundHost} only, not as "${name}": bind it to an address of the network with --api`,
        ),
      );
    } else if (origin !== undefined && hostOf(origin) !== host) {
      done(new MeshError('INVALID_ARGUMENT', 'requests from pages of other origins are refused'));
    } else {
      done();
    }
  });
}

/** Who a request counts for: requests of one address wait in one line. */
export const clientOf = (request: FastifyRequest): string => request.ip;

/** Refuses inference before a body is read where it would be refused afterwards. */
export function guardPlaces(app: FastifyInstance, peer: PeerPort): void {
  app.addHook('onRequest', (request, _reply, done) => {
    done(request.method === 'POST' ? peer.refusal(clientOf(request)) : undefined);
  });
}

/** Keeps the bodies held in memory, over all requests, under `totalBytes`. */
export function guardMemory(app: FastifyInstance, bodyBytes: number, totalBytes: number): void {
  let held = 0;
  app.addHook('onRequest', (request, reply, done) => {
    const expected = expectedBytes(request, bodyBytes);
    if (held + expected > totalBytes) {
      done(new MeshError('OVERLOADED', 'too many large requests at once: try again in a moment, or at another peer'));
      return;
    }
    held += expected;
    reply.raw.once('close', () => {
      held -= expected;
    });
    done();
  });
}

function expectedBytes(request: FastifyRequest, bodyBytes: number): number {
  if (request.method === 'GET' || request.method === 'HEAD') return 0;
  const declared = Number(request.headers['content-length'] ?? bodyBytes);
  return Number.isSafeInteger(declared) ? Math.min(declared, bodyBytes) : bodyBytes;
}
