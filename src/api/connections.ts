/**
 * How many connections clients may hold, all together and each. What they leave of the process's file descriptors is for the
 * mesh and for weights, whoever knocks.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface ConnectionLimits {
  readonly connections: number;
  /** Of one address. */
  readonly connectionsPerClient: number;
}

/** More are of no use to a peer that answers some hundred requests a second. */
const MOST_CONNECTIONS = 16_384;
/** Clients together, and one of them, may hold these parts of the descriptors. */
const SHARE = 2;
const SHARE_OF_ONE = 4;

/** @param descriptors that the process may have; null where that is not known. */
export function connectionLimits(descriptors: number | null): ConnectionLimits {
  const most = Math.min(MOST_CONNECTIONS * SHARE, descriptors ?? Infinity);
  return {
    connections: Math.max(1, Math.floor(most / SHARE)),
    connectionsPerClient: Math.max(1, Math.floor(most / SHARE_OF_ONE)),
  };
}

/** Closes connections beyond the limits as they come, and those that are idle when there are too many of all. */
export function boundConnections(server: Server, { connections, connectionsPerClient }: ConnectionLimits): void {
  const open = new Map<string, number>();
  server.maxConnections = connections;
  server.on('drop', () => server.closeIdleConnections());
  server.on('connection', (socket: Socket) => {
    const client = socket.remoteAddress ?? '';
    const own = open.get(client) ?? 0;
    if (own >= connectionsPerClient) {
      socket.destroy();
      return;
    }
    open.set(client, own + 1);
    socket.once('close', () => {
      const left = (open.get(client) ?? 1) - 1;
      if (left > 0) open.set(client, left);
      else open.delete(client);
    });
  });
}
