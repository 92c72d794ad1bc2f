/** Answers that go on for as long as the client listens. */
import type { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';

/** WHATWG HTML, section 9.2. */
export const SERVER_SENT = 'text/event-stream';
/** Unsent bytes beyond which a reader is dropped: it may come again and ask for what it missed. */
export const MAX_UNSENT_BYTES = 256 * 1024;
/** Connections through which nothing passes are cut by what lies between. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Keeps `stream` open until the client goes or the API closes.
 * @param sign of life, written where nothing else is. @param stop is called once it is over.
 */
export function keepOpen(
  reply: FastifyReply,
  stream: PassThrough,
  closing: AbortSignal,
  sign: string,
  stop: () => void,
): void {
  const keepAlive = setInterval(() => stream.write(sign), KEEP_ALIVE_MS);
  const end = (): void => void stream.end();
  closing.addEventListener('abort', end, { once: true });
  const finish = (): void => {
    stop();
    clearInterval(keepAlive);
    closing.removeEventListener('abort', end);
    stream.destroy();
  };
  stream.once('close', finish);
  reply.raw.once('close', finish);
}
