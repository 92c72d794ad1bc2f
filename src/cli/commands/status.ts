/** `tilemesh status`: the mesh in a few lines. */
import type { MemberView, PeerPort } from '../../api/port.ts';
import { assessHealth } from '../../core/health.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatSpeed } from '../text.ts';
import { renderHealth } from './health.ts';

export interface StatusOptions {
  readonly api: string;
  readonly json?: true;
}

interface MeshStatus {
  readonly self: PeerPort['self'];
  readonly ready: boolean;
  readonly activeRequests: number;
  readonly models: readonly string[];
}

export async function statusCommand(terminal: Terminal, options: StatusOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const [status, { peers }] = (await Promise.all([
    getJson(urls, '/tilemesh/v1/status', terminal.interrupted),
    getJson(urls, '/tilemesh/v1/peers', terminal.interrupted),
  ])) as [MeshStatus, { readonly peers: readonly MemberView[] }];
  const health = assessHealth(peers, status.ready);
  if (options.json) {
    const { self, ready, activeRequests, models } = status;
    writeJson(terminal, 'status/1', { self, ready, health, activeRequests, models });
    return;
  }
  const { self, activeRequests, models } = status;
  const speed = peers.filter(({ state }) => state === 'alive').reduce((sum, peer) => sum + peer.macsPerSecond, 0);
  const lines = [
    `mesh      ${clean(self.mesh)}, asked at ${clean(self.name)} (${self.id}, version ${clean(self.version)}, kernel ${clean(self.kernel)})`,
    `health    ${renderHealth(terminal, health).trimEnd()}`,
    `speed     ${formatSpeed(speed)} together`,
    `requests  ${activeRequests} in flight`,
    `models    ${models.length === 0 ? 'none yet' : models.map((name) => clean(name)).join(', ')}`,
  ];
  terminal.out(`${lines.join('\n')}\n`);
}
