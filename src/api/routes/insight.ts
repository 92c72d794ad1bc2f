/** `/tilemesh/v1`: what happened in requests, how the peers are, what was logged. */
import type { FastifyInstance } from 'fastify';
import { MeshError } from '../../core/errors.ts';
import type { PeerId } from '../../core/ids.ts';
import { requestSignal } from '../cancellation.ts';
import { replyWithJournal } from '../journal-reply.ts';
import { parseRequestId } from '../query.ts';
import type { RouteContext } from './context.ts';

interface RequestsRoute {
  readonly Querystring: { readonly scope?: string };
}
interface TraceRoute {
  readonly Params: { readonly requestId: string };
}
interface PingRoute {
  readonly Params: { readonly peer: string };
  readonly Querystring: { readonly count?: string };
}
interface JournalRoute {
  readonly Querystring: Readonly<Partial<Record<'after' | 'follow' | 'level', string>>>;
}

const MAX_PINGS = 100;
const LEVELS: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };

/** @throws MeshError INVALID_ARGUMENT. */
function wholeNumber(text: string | undefined, otherwise: number, most: number, name: string): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value <= most) return value;
  throw new MeshError('INVALID_ARGUMENT', `${name} is a whole number up to ${most}`);
}

function parseScope(text = 'mesh'): 'peer' | 'mesh' {
  if (text === 'peer' || text === 'mesh') return text;
  throw new MeshError('INVALID_ARGUMENT', 'scope is "peer" or "mesh"');
}

const isFollowed = (text: string | undefined): boolean => text !== undefined && text !== 'false' && text !== '0';

function parseLevel(text = 'trace'): number {
  const level = LEVELS[text];
  if (level !== undefined) return level;
  throw new MeshError('INVALID_ARGUMENT', `level is one of ${Object.keys(LEVELS).join(', ')}`);
}

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function insightRoutes(app: FastifyInstance, { peer, closing }: RouteContext): Promise<void> {
  const { insight } = peer;

  app.get<RequestsRoute>('/tilemesh/v1/requests', async ({ query }, reply) => ({
    schema: 'tilemesh.requests/1',
    self: peer.self,
    requests: await insight.requests(parseScope(query.scope), requestSignal(reply, closing)),
  }));

  app.get<TraceRoute>('/tilemesh/v1/requests/:requestId/trace', ({ params }, reply) =>
    insight.trace(parseRequestId(params.requestId)!, requestSignal(reply, closing)),
  );

  app.get('/tilemesh/v1/cards', async (_request, reply) => ({
    schema: 'tilemesh.cards/1',
    self: peer.self,
    cards: await insight.cards(requestSignal(reply, closing)),
  }));

  app.get<PingRoute>('/tilemesh/v1/peers/:peer/ping', async ({ params, query }, reply) => {
    const known = peer.members().find(({ id }) => id === params.peer);
    if (known === undefined) {
      throw new MeshError('NOT_FOUND', `no member has the id ${params.peer.slice(0, 64)}: see "tilemesh peers"`);
    }
    const count = wholeNumber(query.count, 5, MAX_PINGS, 'count');
    const roundTripsMs = await insight.ping(params.peer as PeerId, count, requestSignal(reply, closing));
    return { schema: 'tilemesh.ping/1', peer: params.peer, name: known.name, roundTripsMs };
  });

  app.get<JournalRoute>('/tilemesh/v1/events', (request, reply) => {
    const { after, follow } = request.query;
    const from = wholeNumber(after ?? lastEventId(request.headers), 0, Number.MAX_SAFE_INTEGER, 'after');
    const query = { after: from, isFollowed: isFollowed(follow) };
    return replyWithJournal(request, reply, insight.events, query, closing, (event) => event);
  });

  app.get<JournalRoute>('/tilemesh/v1/logs', (request, reply) => {
    const { after, follow, level } = request.query;
    const least = parseLevel(level);
    const from = wholeNumber(after, 0, Number.MAX_SAFE_INTEGER, 'after');
    const query = { after: from, isFollowed: isFollowed(follow) };
    return replyWithJournal(request, reply, insight.logs, query, closing, (record) => {
      const fields = JSON.parse(record) as { readonly level: number };
      return fields.level >= least ? { record: fields } : undefined;
    });
  });
}

/** What a browser sends when it comes again. */
const lastEventId = (headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined => {
  const value = headers['last-event-id'];
  return typeof value === 'string' ? value : undefined;
};
