/**
 * Somebody on the network who holds no key. `stranger HOST PORT...` speaks libp2p to peers; `replayer HOST PORT LISTEN` passes
 * on what a member says, and says it again when that has gone; `middle HOST PORT LISTEN` alters a byte of what it passes on.
 * Prints a line when it is ready, and one with what it was told.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { identify } from '@libp2p/identify';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';

const PATIENCE_MS = 30_000;
/** Behind the choice of the encrypter, which is in the clear. */
const ALTERED_BYTE = 200;

const [role, host = '', port = '', listen = ''] = process.argv.slice(2);
const told: Buffer[] = [];

const report = (isIn: boolean): void =>
  console.log(JSON.stringify({ isIn, told: Buffer.concat(told).toString('base64') }));

async function knock(): Promise<void> {
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify() },
  });
  node.addEventListener('peer:identify', ({ detail }) => told.push(Buffer.from(JSON.stringify(detail.protocols))));
  console.log('ready');
  let isIn = false;
  for (const protocol of ['/ipfs/id/1.0.0', '/tilemesh/health/2.0.0', '/tilemesh/election/1.0.0']) {
    await node
      .dialProtocol(multiaddr(`/ip4/${host}/tcp/${port}`), protocol, { signal: AbortSignal.timeout(PATIENCE_MS) })
      .then(() => (isIn = true))
      .catch(() => undefined);
  }
  await node.stop();
  report(isIn);
}

/** Passes bytes on between whoever connects and the peer. */
async function passOn(change: (bytes: Buffer, from: 'member' | 'peer') => Buffer, onGone: () => void): Promise<void> {
  const server = createServer((member: Socket) => {
    const peer = connect(Number(port), host);
    for (const [from, socket, other] of [
      ['member', member, peer],
      ['peer', peer, member],
    ] as const) {
      socket.on('data', (bytes) => other.write(change(bytes, from)));
      socket.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
    member.once('close', onGone);
  });
  server.listen(Number(listen));
  await once(server, 'listening');
  console.log('ready');
}

async function replay(): Promise<void> {
  const said: Buffer[] = [];
  const gone = Promise.withResolvers<undefined>();
  await passOn(
    (bytes, from) => {
      if (from === 'member') said.push(Buffer.from(bytes));
      return bytes;
    },
    () => gone.resolve(undefined),
  );
  await gone.promise;
  const socket = connect(Number(port), host);
  socket.on('data', (bytes) => told.push(bytes)).on('error', () => undefined);
  for (const bytes of said) socket.write(bytes);
  const isIn = await Promise.race([
    new Promise<false>((resolve) => socket.once('close', () => resolve(false))),
    new Promise<true>((resolve) => setTimeout(() => resolve(true), PATIENCE_MS)),
  ]);
  report(isIn || said.length === 0);
  process.exit();
}

async function alter(): Promise<void> {
  let passed = 0;
  await passOn(
    (bytes, from) => {
      if (from === 'member') return bytes;
      const index = ALTERED_BYTE - passed;
      passed += bytes.byteLength;
      if (index >= 0 && index < bytes.byteLength) bytes[index]! ^= 1;
      return bytes;
    },
    () => (passed = 0),
  );
}

if (role === 'stranger') await knock();
else if (role === 'replayer') await replay();
else await alter();
