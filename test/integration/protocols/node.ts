/** A libp2p node with the protocols under test, over loopback TCP. */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { blobs } from '../../../protocols/blobs/service.ts';
import { election } from '../../../protocols/election/service.ts';
import { lanes, type LanesOptions } from '../../../protocols/lane/service.ts';
import { pieces } from '../../../protocols/pieces/service.ts';

/** How pieces and elections travel: by lanes where they can be had, or by streams. */
export type DataPlane = 'auto' | 'streams';

export const createNode = (dataPlane: DataPlane, options: Partial<LanesOptions> = {}) => {
  const usesLanes = dataPlane === 'auto';
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      ...(usesLanes ? { lanes: lanes(options) } : {}),
      election: election({ usesLanes }),
      pieces: pieces({ usesLanes }),
      blobs: blobs(),
    },
  });
};

export type TestNode = Awaited<ReturnType<typeof createNode>>;
