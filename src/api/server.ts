/** The HTTP server of a peer: the routes over one `PeerPort`, from listening to closing. */
import fastify, { type FastifyInstance } from 'fastify';
import { MeshError } from '../core/errors.ts';
import { sendError, toApiError } from './error-reply.ts';
import { guardOrigin, guardRate, guardToken } from './guard.ts';
import type { ApiLimits } from './limits.ts';
import type { PeerPort } from './port.ts';
import type { RouteContext } from './routes/context.ts';
import { importRoutes } from './routes/import.ts';
import { membershipRoutes } from './routes/membership.ts';
import { meshRoutes } from './routes/mesh.ts';
import { openInferenceRoutes } from './routes/open-inference.ts';
import { runRoutes } from './routes/run.ts';

const MAX_PARAMETER_LENGTH = 256;

export interface ApiOptions {
  /** Address to listen on; `127.0.0.1` keeps the API to this machine. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Asked for from other machines, and for what changes who is a member. */
  readonly token: string;
  /** Folder for uploads, made when needed, on the disk the models are kept on. */
  readonly temporaryFolder: string;
  readonly limits: ApiLimits;
  /** Told of every error that was answered. */
  readonly onError: (error: MeshError) => void;
}

export interface Api {
  /** `http://127.0.0.1:8470` */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Cancels what is under way, waits for it for `limits.closeMs`, and stops listening. */
  close(): Promise<void>;
}

/** @throws MeshError PORT_IN_USE, INVALID_CONFIG when the address is not one of this machine. */
export async function startApi(peer: PeerPort, options: ApiOptions): Promise<Api> {
  const closing = new AbortController();
  const app = buildApi(peer, options, closing.signal);
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    throw listenError(error, options);
  }
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    host: options.host,
    port,
    close: async () => {
      closing.abort(new MeshError('UNAVAILABLE', 'this peer is shutting down: ask another one'));
      const timer = setTimeout(() => app.server.closeAllConnections(), options.limits.closeMs);
      try {
        await app.close();
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** The server without a socket. */
function buildApi(peer: PeerPort, options: ApiOptions, closing: AbortSignal): FastifyInstance {
  const app = fastify({
    logger: false,
    forceCloseConnections: 'idle',
    requestTimeout: options.limits.requestMs,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
  });
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
  const context: RouteContext = {
    peer,
    limits: options.limits,
    temporaryFolder: options.temporaryFolder,
    closing,
    onError: options.onError,
  };
  for (const routes of [openInferenceRoutes, runRoutes, meshRoutes, importRoutes, membershipRoutes]) {
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
