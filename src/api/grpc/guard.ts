/** What is asked of calls before anything of them is read. */
import {
  ServerInterceptingCall,
  status,
  type ServerInterceptor,
  type ServerInterceptingCallInterface,
} from '@grpc/grpc-js';
import { objectionTo } from '../guard.ts';

/** Asks calls from other machines for the token, in the metadata `authorization`. */
export const tokenInterceptor =
  (token: string): ServerInterceptor =>
  (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            const [authorization] = metadata.get('authorization');
            const objection = objectionTo(authorization?.toString(), token);
            if (objection === undefined) proceed(metadata);
            else call.sendStatus({ code: status.UNAUTHENTICATED, details: objection.message });
          },
        }),
    });

/** Of grpc-js, which takes it out of the metadata before anybody sees them. */
interface ReceivingCall extends ServerInterceptingCallInterface {
  readonly incomingEncoding?: string;
}

/**
 * Refuses compressed calls: grpc-js expands a few KiB to the largest message there may be, and tells nobody how many there were.
 * List it first, so that it sees the call itself.
 */
export const encodingInterceptor: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, proceed) => {
          const encoding = (call as ReceivingCall).incomingEncoding;
          if (encoding === 'identity') proceed(metadata);
          else
            call.sendStatus({
              code: status.UNIMPLEMENTED,
              details: 'compressed messages are not taken: send them as they are',
            });
        },
      }),
  });
