/** A machine that takes connections and what is sent, and says nothing, as a board does whose process is frozen. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SilentServer {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** Resolves when somebody who asked has gone. */
  readonly left: Promise<void>;
  stop(): void;
}

export async function startSilentServer(): Promise<SilentServer> {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const server = createServer((request) => void request.resume().once('close', () => leave()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    left,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
