/** A whole peer in this process, without any other. */
import { join } from 'node:path';
import type { UserConfig } from '../../src/config/define.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createPeer, type Peer } from '../../src/node.ts';

/** @param folder for its data. Its API listens on a port of its own. */
export const startLonePeer = async (folder: string, kernel: UserConfig['kernel'] = {}): Promise<Peer> =>
  createPeer(
    await loadConfig(folder, {
      name: 'lone',
      data: join(folder, 'data'),
      api: { host: '127.0.0.1', port: 0 },
      listen: { addresses: ['127.0.0.1'] },
      discovery: { mdns: false },
      membership: { level: 'open' },
      kernel,
      log: { level: 'silent' },
    }),
  );
