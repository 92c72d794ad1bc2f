/** When a request ends early: its client hangs up, or the peer closes. */
import type { FastifyReply } from 'fastify';
import { MeshError } from '../core/errors.ts';

export function requestSignal(reply: FastifyReply, closing: AbortSignal): AbortSignal {
  const hungUp = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) hungUp.abort(new MeshError('CANCELLED', 'the client hung up'));
  });
  return AbortSignal.any([hungUp.signal, closing]);
}
