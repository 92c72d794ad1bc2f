/** The HTTP server of a peer: the routes over one `PeerPort`, from listening to closing. */
import type { Server as HttpsServer } from 'node:https';
import fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { MeshError } from '../core/errors.ts';
import { acceptBodies } from './body.ts';
import type { ServerCertificate } from './certificate.ts';
import { boundConnections } from './connections.ts';
import { sendError, toApiError } from './error-reply.ts';
import { startGrpc, type GrpcServer } from './grpc/server.ts';
import { guardOrigin, guardRate, guardToken, isLoopback } from './guard.ts';
import type { ApiLimits } from './limits.ts';
import { registerMetrics } from './metrics.ts';
import { Repository } from './open-inference/repository.ts';
import { InferenceService } from './open-inference/service.ts';
import type { PeerPort } from './port.ts';
import { defined } from './query.ts';
import { classifyRoutes } from './routes/classify.ts';
import { dashboardRoutes } from './routes/dashboard.ts';
import type { RouteContext } from './routes/context.ts';
import { importRoutes } from './routes/import.ts';
import { insightRoutes } from './routes/insight.ts';
import { membershipRoutes } from './routes/membership.ts';
import { liveRoutes } from './routes/live.ts';
import { meshRoutes } from './routes/mesh.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { modelRoutes } from './routes/models.ts';
import { openInferenceRoutes } from './routes/open-inference.ts';
import { repositoryRoutes } from './routes/repository.ts';
import { runRoutes } from './routes/run.ts';
import { servedPeer } from './served-peer.ts';
import { Statistics } from './statistics.ts';
import { traceRequests } from './trace-context.ts';

const BODY_ROUTES = [openInferenceRoutes, repositoryRoutes, classifyRoutes, runRoutes] as const;
const PLAIN_ROUTES = [
  dashboardRoutes,
  liveRoutes,
  meshRoutes,
  importRoutes,
  metricsRoutes,
  insightRoutes,
  modelRoutes,
  membershipRoutes,
] as const;
const MAX_PARAMETER_LENGTH = 256;
/** Connections that wait to be taken; the system may hold it to less. Those it drops try again after a second. */
const BACKLOG = 4_096;

export interface ApiOptions {
  /** Address to listen on; `127.0.0.1` keeps the API to this machine. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Asked for from other machines, and for what changes who is a member. */
  readonly token: string;
  /** Port of the gRPC form of the Open Inference Protocol, at the same host; 0: any free one. Absent: none. */
  readonly grpcPort?: number;
  /** HTTPS, and gRPC over TLS, in place of both in the clear. */
  readonly certificate?: ServerCertificate;
  /** Where the metrics of this peer are kept; those of the API are added. */
  readonly registry: Registry;
  /** Folder for uploads, made when needed, on the disk the models are kept on. */
  readonly temporaryFolder: string;
  readonly limits: ApiLimits;
  /** Told of every error that was answered. */
  readonly onError: (error: MeshError) => void;
}

export interface Api {
  /** `http://127.0.0.1:8470`, `https:` with a certificate */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Requests that have been read in part at least and not been answered in full; questions about the mesh do not count. */
  readonly active: number;
  readonly grpcPort?: number;
  /** Cancels what is under way, waits for it for `limits.closeMs`, and stops listening. */
  close(): Promise<void>;
}

/** @throws MeshError PORT_IN_USE, INVALID_CONFIG when the address is not one of this machine, or nothing protects it. */
export async function startApi(peer: PeerPort, options: ApiOptions): Promise<Api> {
  if (!isLoopback(options.host) && options.token === '') {
    throw new MeshError(
      'INVALID_CONFIG',
      `the API of ${options.host} can be reached from other machines, and there is no token: set api.token (TILEMESH_API_TOKEN), or keep the API to this machine with --api 127.0.0.1:${options.port}`,
    );
  }
  const closing = new AbortController();
  const context = contextOf(peer, options, closing.signal);
  const app = buildApi(context, options);
  const active = countActive(app);
  try {
    await app.listen({ host: options.host, port: options.port, backlog: BACKLOG });
  } catch (error) {
    await app.close();
    throw listenError(error, options);
  }
  const grpc = await startGrpcIfWanted(context, options).catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `${options.certificate === undefined ? 'http' : 'https'}://${host}:${port}`,
    host: options.host,
    port,
    get active() {
      return active.size + (grpc?.active ?? 0);
    },
    ...defined('grpcPort', grpc?.port),
    close: async () => {
      closing.abort(new MeshError('UNAVAILABLE', 'this peer is shutting down: ask another one'));
      const timer = setTimeout(() => app.server.closeAllConnections(), options.limits.closeMs);
      try {
        await Promise.all([app.close(), grpc?.close()]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** The requests under way that are more than a question about the mesh. */
function countActive(app: FastifyInstance): ReadonlySet<object> {
  const active = new Set<object>();
  app.addHook('onRequest', (request, reply, done) => {
    if (request.method === 'POST') {
      active.add(request);
      reply.raw.once('close', () => active.delete(request));
    }
    done();
  });
  return active;
}

function contextOf(peer: PeerPort, options: ApiOptions, closing: AbortSignal): RouteContext {
  const statistics = new Statistics();
  const served = servedPeer(peer, statistics);
  registerMetrics(options.registry, peer, statistics);
  return {
    peer: served,
    inference: new InferenceService(served, statistics, new Repository(peer, served, options.temporaryFolder)),
    statistics,
    registry: options.registry,
    limits: options.limits,
    temporaryFolder: options.temporaryFolder,
    closing,
    onError: options.onError,
  };
}

async function startGrpcIfWanted(context: RouteContext, options: ApiOptions): Promise<GrpcServer | undefined> {
  const { host, grpcPort: port, token, certificate } = options;
  if (port === undefined) return undefined;
  return startGrpc(context.inference, { ...context, host, token, port, ...defined('certificate', certificate) });
}

interface Settings {
  readonly logger: false;
  readonly forceCloseConnections: 'idle';
  readonly requestTimeout: number;
  readonly routerOptions: { readonly maxParamLength: number };
}

/** A handshake that takes longer is given up. */
const HANDSHAKE_MS = 10_000;

/** Routes and hooks are the same whichever of Node's servers is under them. */
function listening(certificate: ServerCertificate | undefined, settings: Settings): FastifyInstance {
  return certificate === undefined ? fastify(settings) : byTls(certificate, settings);
}

function byTls(certificate: ServerCertificate, settings: Settings): FastifyInstance {
  const app = fastify<HttpsServer>({ ...settings, https: { ...certificate.pair, handshakeTimeout: HANDSHAKE_MS } });
  certificate.onChange((pair) => app.server.setSecureContext(pair));
  return app;
}

/** The server without a socket. */
function buildApi(context: RouteContext, options: ApiOptions): FastifyInstance {
  const app = listening(options.certificate, {
    logger: false,
    forceCloseConnections: 'idle',
    requestTimeout: options.limits.requestMs,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
  });
  boundConnections(app.server, options.limits);
  traceRequests(app);
  guardOrigin(app, options.host);
  guardRate(app, options.limits);
  guardToken(app, options.host, options.token);
  app.setErrorHandler((error, _request, reply) => {
    const failure = toApiError(error);
    options.onError(failure);
    return sendError(reply, failure);
  });
  app.setNotFoundHandler((request, reply) =>
    sendError(reply, new MeshError('NOT_FOUND', `there is nothing at ${request.method} ${request.url.slice(0, 200)}`)),
  );
  // One scope for all that take bodies into memory: what they hold is counted together.
  app.register((scope, _options, done) => {
    acceptBodies(scope, options.limits);
    for (const routes of BODY_ROUTES) scope.register((inner) => routes(inner, context));
    done();
  });
  for (const routes of PLAIN_ROUTES) {
    app.register((scope) => routes(scope, context));
  }
  return app;
}

function listenError(error: unknown, { host, port }: ApiOptions): MeshError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') {
    return new MeshError('PORT_IN_USE', `port ${port} of ${host} is in use: choose another with --api HOST:PORT`, {
      cause: error,
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new MeshError('INVALID_CONFIG', `the API cannot listen on ${host}:${port} (${reason}): see --api HOST:PORT`, {
    cause: error,
  });
}
