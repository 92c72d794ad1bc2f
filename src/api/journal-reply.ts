/** A journal as an answer: what there is, or also what comes, as NDJSON or as server-sent events (WHATWG HTML, 9.2). */
import { PassThrough } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Entry, Journal } from '../observability/journal.ts';
import { NDJSON } from './event-stream.ts';
import { keepOpen, MAX_UNSENT_BYTES, SERVER_SENT } from './open-stream.ts';

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
    keepOpen(reply, stream, closing, isServerSent ? ':\n\n' : '\n', journal.onWrite(write));
  } else stream.end();
  return reply
    .header('cache-control', 'no-store')
    .type(isServerSent ? SERVER_SENT : NDJSON)
    .send(stream);
}
