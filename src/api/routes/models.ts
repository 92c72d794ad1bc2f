/** `/tilemesh/v1/models/:model`: having a peer fetch or delete a model. */
import type { FastifyInstance } from 'fastify';
import { requestSignal } from '../cancellation.ts';
import { replyWithProgress } from '../event-stream.ts';
import type { ModelParameters, RouteContext } from './context.ts';

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function modelRoutes(app: FastifyInstance, { peer, closing, onError }: RouteContext): Promise<void> {
  app.post<ModelParameters>('/tilemesh/v1/models/:model/pull', (request, reply) => {
    const signal = requestSignal(reply, closing);
    return replyWithProgress(
      request,
      reply,
      async (onProgress) => ({ model: await peer.pull(request.params.model, onProgress, signal) }),
      onError,
    );
  });

  app.delete<ModelParameters>('/tilemesh/v1/models/:model', ({ params }) => peer.remove(params.model));
}
