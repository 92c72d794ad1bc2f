/** A journal as an answer: what there is, or also what comes, as NDJSON or as server-sent events (WHATWG HTML, 9.2). */
import { PassThrough } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Entry, Journal } from '../observability/journal.ts';
import { NDJSON } from './event-stream.ts';

const SERVER_SENT = 'text/event-stream';
/** Unsent bytes beyond which a reader is dropped: it may come again and ask for what it missed. */
const MAX_UNSENT_BYTES = 256 * 1024;
/** Connections through which nothing passes are cut by what lies between. */
const KEEP_ALIVE_MS = 15_000;

export interface JournalQuery {
  /** Number of the last entry that the client has. */
  readonly after: number;
  readonly isFollowed: boolean;
}

/** @param show what of an entry is sent beside its number and time; undefined: nothing, it is left out. */
export function replyWithJournal<Value>(
  request: FastifyRequest,
  reply: FastifyReply,
  journal: Journal<Value>,
  { after, isFollowed }: JournalQuery,
  closing: AbortSignal,
  show: (value: Value) => object | undefined,
): FastifyReply {
  const isServerSent = request.headers.accept?.includes(SERVER_SENT) ?? false;
  const stream = new PassThrough();
  const write = ({ sequence, unixMs, value }: Entry<Value>): void => {
    const shown = show(value);
    if (shown === undefined) return;
    const line = JSON.stringify({ sequence, unixMs, ...shown });
    stream.write(isServerSent ? `id: ${sequence}\ndata: ${line}\n\n` : `${line}\n`);
    if (stream.writableLength > MAX_UNSENT_BYTES) stream.destroy();
  };
  for (const entry of journal.after(after)) write(entry);
  if (isFollowed || isServerSent) {
    const stopListening = journal.onWrite(write);
    const keepAlive = setInterval(() => stream.write(isServerSent ? ':\n\n' : '\n'), KEEP_ALIVE_MS);
    const end = (): void => void stream.end();
    closing.addEventListener('abort', end, { once: true });
    const stop = (): void => {
      stopListening();
      clearInterval(keepAlive);
      closing.removeEventListener('abort', end);
      stream.destroy();
    };
    stream.once('close', stop);
    reply.raw.once('close', stop);
  } else stream.end();
  return reply
    .header('cache-control', 'no-store')
    .type(isServerSent ? SERVER_SENT : NDJSON)
    .send(stream);
}
