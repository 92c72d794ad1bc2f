/** A libp2p node with the protocols under test, over loopback TCP. */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { blobs } from '../../../protocols/blobs/service.ts';
import { election } from '../../../protocols/election/service.ts';
import { pieces } from '../../../protocols/pieces/service.ts';

export const createNode = () =>
  createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { election: election(), pieces: pieces(), blobs: blobs() },
  });

export type TestNode = Awaited<ReturnType<typeof createNode>>;
