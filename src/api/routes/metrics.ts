/** `GET /metrics`: what Prometheus scrapes. */
import type { FastifyInstance } from 'fastify';
import type { RouteContext } from './context.ts';

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function metricsRoutes(app: FastifyInstance, { registry }: RouteContext): Promise<void> {
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
}
