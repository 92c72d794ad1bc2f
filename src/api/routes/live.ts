/**
 * `GET /tilemesh/v1/live`: server-sent events for as long as somebody listens: `peers`, `requests`, `models` and `cards`, each
 * the whole section when it changed, and `event` for what happens in between.
 */
import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { MeshError } from '../../core/errors.ts';
import { LiveFeed } from '../live-feed.ts';
import { keepOpen, MAX_UNSENT_BYTES, SERVER_SENT } from '../open-stream.ts';
import type { RouteContext } from './context.ts';

const MAX_WATCHERS = 64;

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function liveRoutes(app: FastifyInstance, { peer, closing }: RouteContext): Promise<void> {
  const feed = new LiveFeed(peer);

  app.get('/tilemesh/v1/live', (_request, reply) => {
    if (feed.watchers >= MAX_WATCHERS) {
      throw new MeshError('OVERLOADED', `${MAX_WATCHERS} watch this peer already: watch another one`);
    }
    const stream = new PassThrough();
    const write = (event: string, document: string): void => {
      stream.write(`event: ${event}\ndata: ${document}\n\n`);
      if (stream.writableLength > MAX_UNSENT_BYTES) stream.destroy();
    };
    const stopWatching = feed.watch(write);
    const stopListening = peer.insight.events.onWrite(({ sequence, unixMs, value }) => {
      write('event', JSON.stringify({ sequence, unixMs, ...value }));
    });
    keepOpen(reply, stream, closing, ':\n\n', () => {
      stopWatching();
      stopListening();
    });
    return reply.header('cache-control', 'no-store').type(SERVER_SENT).send(stream);
  });
}
