/** A libp2p node with the protocols under test, over loopback TCP. */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { tcp } from '@libp2p/tcp';
import { createLibp2p, type ServiceFactoryMap } from 'libp2p';
import { blobs, type BlobsService } from '../../../protocols/blobs/service.ts';
import { election, type ElectionService } from '../../../protocols/election/service.ts';
import { lanes, type LanesOptions, type LanesService } from '../../../protocols/lane/service.ts';
import { pieces, type PiecesService } from '../../../protocols/pieces/service.ts';

interface Services extends Record<string, unknown> {
  readonly lanes?: LanesService;
  readonly election: ElectionService;
  readonly pieces: PiecesService;
  readonly blobs: BlobsService;
}

/** How pieces and elections travel: by lanes where they can be had, or by streams. */
export type DataPlane = 'auto' | 'streams';

export const createNode = (dataPlane: DataPlane, options: Partial<LanesOptions> = {}) => {
  const usesLanes = dataPlane === 'auto';
  const services: ServiceFactoryMap<Services> = {
    ...(usesLanes ? { lanes: lanes(options) } : {}),
    election: election({ usesLanes }),
    pieces: pieces({ usesLanes }),
    blobs: blobs(),
  };
  return createLibp2p<Services>({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services,
  });
};

export type TestNode = Awaited<ReturnType<typeof createNode>>;
