/** The token, asked of calls from other machines before anything of them is read, in the metadata `authorization`. */
import { ServerInterceptingCall, status, type ServerInterceptor } from '@grpc/grpc-js';
import { objectionTo } from '../guard.ts';

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
