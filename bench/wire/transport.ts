/** Ways to move blocks of bytes from one process to another: what the data plane is compared with, and itself. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Stream, StreamMessageEvent } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { lanes, type LanesService } from '../../protocols/lane/service.ts';
import { pieces, type PiecesService } from '../../protocols/pieces/service.ts';
import { asPeerId, type RequestId } from '../../src/core/ids.ts';
import { createHost, startHost } from '../../src/mesh/host.ts';
import { openMesh } from '../../test/support/open-mesh.ts';
import { createLogger } from '../../src/observability/logger.ts';

export const TRANSPORTS = ['tcp', 'stream', 'pieces by stream', 'pieces'] as const;
/** Plain TCP; a libp2p stream as the mesh's host opens it; the service that peers send pieces with, kept to streams; as it comes. */
export type Transport = (typeof TRANSPORTS)[number];

/** Where blocks arrive. */
export interface Sink {
  readonly address: string;
}

/** Where blocks are sent. Resolves when the block is handed over and the next may follow. */
export type Send = (block: Uint8Array) => Promise<void>;

const PROTOCOL = '/tilemesh/bench/1.0.0';
const LOOPBACK = '127.0.0.1';
const REQUEST_ID = '0'.repeat(32) as RequestId;

/** @param onBytes told of bytes as they arrive. */
export async function openSink(transport: Transport, onBytes: (count: number) => void): Promise<Sink> {
  if (transport === 'tcp') {
    const server = createServer((socket) => socket.on('data', (chunk) => onBytes(chunk.byteLength)));
    server.listen(0, LOOPBACK);
    await once(server, 'listening');
    return { address: String((server.address() as AddressInfo).port) };
  }
  const host = await openHost(transport);
  if (isPieces(transport)) {
    host.services.pieces.onPiece((_, piece) => onBytes(piece.bytes.byteLength));
  } else {
    await host.handle(PROTOCOL, (stream) => {
      stream.addEventListener('message', ({ data }: StreamMessageEvent) => onBytes(data.byteLength));
    });
  }
  return { address: host.getMultiaddrs()[0]!.toString() };
}

export async function openSource(transport: Transport, address: string): Promise<Send> {
  if (transport === 'tcp') {
    const socket = connect(Number(address), LOOPBACK);
    await once(socket, 'connect');
    socket.setNoDelay(true);
    return (block) => writeTo(socket, block);
  }
  const host = await openHost(transport);
  const { remotePeer } = await host.dial(multiaddr(address));
  if (isPieces(transport)) {
    const peer = asPeerId(remotePeer.toString());
    let part = 0;
    return (block) => {
      const region = [{ start: 0, end: block.byteLength / Float32Array.BYTES_PER_ELEMENT }];
      const address = { requestId: REQUEST_ID, term: 1, attempt: 1, block: 0, part: part++ };
      return host.services.pieces.send(peer, { ...address, tensor: 'x', type: 'float32', region, bytes: block });
    };
  }
  const stream = await host.dialProtocol(remotePeer, PROTOCOL);
  return (block) => writeToStream(stream, block);
}

const isPieces = (transport: Transport): boolean => transport.startsWith('pieces');

/** The host of a mesh, looking for nobody. */
async function openHost(transport: Transport) {
  const options = {
    privateKey: await generateKeyPair('Ed25519'),
    trust: await openMesh('bench'),
    listen: { port: 0, addresses: [LOOPBACK] },
    discovery: { mdns: false, bootstrap: [] },
    logger: createLogger('error'),
  };
  const usesLanes = transport === 'pieces';
  const services = { ...(usesLanes ? { lanes: lanes() } : {}), pieces: pieces({ usesLanes }) };
  const host = await createHost<{ readonly lanes?: LanesService; readonly pieces: PiecesService }>({
    ...options,
    services,
  });
  await startHost(host, options);
  return host;
}

async function writeTo(socket: Socket, block: Uint8Array): Promise<void> {
  if (!socket.write(block)) await once(socket, 'drain');
}

async function writeToStream(stream: Stream, block: Uint8Array): Promise<void> {
  if (!stream.send(block)) await once(stream, 'drain');
}
