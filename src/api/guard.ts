/**
 * What is checked before a request is read: that it was meant for this peer, that its sender may, that it does not ask too
 * much, and that there is room for its body.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MeshError } from '../core/errors.ts';
import { refuseAtOnce } from './error-reply.ts';
import { grownBytes } from './growth.ts';
import type { PeerPort } from './port.ts';
import { isSameToken } from './token.ts';

/** What is under it takes the token wherever it is asked from. */
export const ADMIN_PATH = '/tilemesh/v1/admin/';

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

const BEARER = /^Bearer ([\w.~+/=-]{1,512})$/i;

const HOW =
  'send "authorization: Bearer TOKEN"; "npx tilemesh token" on the board prints it, TILEMESH_API_TOKEN hands it to the command line';

/**
 * What is wrong with the `authorization` of a request, by RFC 6750; undefined: nothing.
 * @returns MeshError UNAUTHORIZED.
 */
export function objectionTo(authorization: string | undefined, token: string): MeshError | undefined {
  const given = BEARER.exec(authorization ?? '')?.[1];
  if (given !== undefined && isSameToken(given, token)) return undefined;
  return new MeshError('UNAUTHORIZED', `${given === undefined ? 'a token is needed' : 'the token is wrong'}: ${HOW}`);
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Tells nothing of the mesh: it may be had without the token. */
    readonly isPublic?: boolean;
  }
}

/**
 * Asks for the token where the API can be reached from other machines, and everywhere for what changes who is a
 * member. The route that was matched decides, not the address as it was spelled.
 */
export function guardToken(app: FastifyInstance, boundHost: string, token: string): void {
  const isReachable = !isLoopback(boundHost);
  app.addHook('onRequest', (request, reply, done) => {
    const { url, config } = request.routeOptions;
    const isAdmin = url?.startsWith(ADMIN_PATH) === true;
    const isGuarded = isAdmin || (isReachable && config.isPublic !== true);
    const objection = isGuarded ? objectionTo(request.headers.authorization, token) : undefined;
    if (objection !== undefined) reply.header('www-authenticate', 'Bearer realm="tilemesh"');
    done(objection);
  });
}

export interface RateLimits {
  /** Sustained, for each address. */
  readonly requestsPerSecond: number;
  /** At once, after a pause. */
  readonly requestBurst: number;
  /** Under way at the same time, for each address. */
  readonly requestsInFlight: number;
}

interface Client {
  allowance: number;
  readonly inFlight: Set<FastifyRequest>;
  seenMs: number;
}

/** Addresses whose use is remembered; those longest idle go first. */
const MAX_CLIENTS = 1024;

/** A bucket of allowance per client's address, filled steadily. */
export function guardRate(app: FastifyInstance, limits: RateLimits, now: () => number = () => performance.now()): void {
  const clients = new Map<string, Client>();
  app.addHook('onRequest', (request, reply, done) => {
    const client = clients.get(request.ip) ?? { allowance: limits.requestBurst, inFlight: new Set(), seenMs: now() };
    const filled = client.allowance + ((now() - client.seenMs) / 1000) * limits.requestsPerSecond;
    client.allowance = Math.min(limits.requestBurst, filled);
    client.seenMs = now();
    clients.delete(request.ip);
    clients.set(request.ip, client);
    const [oldest] = clients.keys();
    if (clients.size > MAX_CLIENTS && oldest !== undefined) clients.delete(oldest);
    if (client.allowance < 1 || client.inFlight.size >= limits.requestsInFlight) {
      reply.header('retry-after', 1);
      done(new MeshError('RATE_LIMITED', 'too many requests from this address: send fewer at a time'));
      return;
    }
    client.allowance -= 1;
    client.inFlight.add(request);
    reply.raw.once('close', () => client.inFlight.delete(request));
    done();
  });
}

/** Who a request counts for: requests of one address wait in one line. */
export const clientOf = (request: FastifyRequest): string => request.ip;

/** Refuses inference before a body is read where it would be refused afterwards. */
export function guardPlaces(app: FastifyInstance, peer: PeerPort): void {
  app.addHook('onRequest', (request, reply, done) => {
    const failure = request.method === 'POST' ? peer.refusal(clientOf(request)) : undefined;
    if (failure === undefined) done();
    else refuseAtOnce(reply, failure);
  });
}

/** Keeps the bodies held in memory under `totalBytes` over all requests, and one client's under half of that. */
export function guardMemory(app: FastifyInstance, bodyBytes: number, totalBytes: number): void {
  let held = 0;
  const heldBy = new Map<string, number>();
  app.addHook('onRequest', (request, reply, done) => {
    const expected = expectedBytes(request, bodyBytes);
    const { ip } = request;
    const own = heldBy.get(ip) ?? 0;
    const isGreedy = own > 0 && own + expected > totalBytes / 2;
    if (held + expected > totalBytes || isGreedy) {
      done(new MeshError('OVERLOADED', 'too many large requests at once: try again in a moment, or at another peer'));
      return;
    }
    held += expected;
    heldBy.set(ip, own + expected);
    reply.raw.once('close', () => {
      held -= expected;
      const left = (heldBy.get(ip) ?? 0) - expected;
      if (left > 0) heldBy.set(ip, left);
      else heldBy.delete(ip);
    });
    done();
  });
}

function expectedBytes(request: FastifyRequest, bodyBytes: number): number {
  if (request.method === 'GET' || request.method === 'HEAD') return 0;
  const declared = Number(request.headers['content-length'] ?? bodyBytes);
  const isCompressed = (request.headers['content-encoding'] ?? 'identity') !== 'identity';
  const expected = isCompressed ? grownBytes(declared) : declared;
  return Number.isSafeInteger(expected) ? Math.min(expected, bodyBytes) : bodyBytes;
}
