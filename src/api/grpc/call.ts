/** When a call ends early, and what its client said beside the message. */
import type { ServerDuplexStream, ServerUnaryCall } from '@grpc/grpc-js';
import { MeshError } from '../../core/errors.ts';
import type { Call } from './methods.ts';

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerDuplexStream<unknown, unknown>;

const PORT = /:\d+$/;

export function callOf(call: AnyCall, closing: AbortSignal): Call {
  const hungUp = new AbortController();
  call.once('cancelled', () => hungUp.abort(new MeshError('CANCELLED', 'the client hung up')));
  const deadline = Number(call.getDeadline());
  return {
    metadata: call.metadata,
    client: call.getPeer().replace(PORT, ''),
    ...(Number.isFinite(deadline) ? { deadlineMs: Math.max(1, deadline - Date.now()) } : {}),
    signal: AbortSignal.any([hungUp.signal, closing]),
  };
}
