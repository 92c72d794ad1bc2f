/** `tilemesh peers`: who is here, how fast, how loaded, what is wrong and what to do about it. */
import type { MemberState, MemberView } from '../../api/port.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { writeJson, type Style, type Terminal } from '../terminal.ts';
import { clean, formatBytes, formatMs, formatSpeed, shortId, table } from '../text.ts';

export interface PeersOptions {
  readonly api: string;
  readonly json?: true;
}

const STYLES: Readonly<Record<MemberState, Style>> = {
  alive: 'green',
  joining: 'yellow',
  suspect: 'yellow',
  draining: 'yellow',
  left: 'dim',
  failed: 'red',
  incompatible: 'red',
  banned: 'red',
};

const ADVICE: Readonly<Partial<Record<MemberState, string>>> = {
  suspect: 'has gone quiet; its work is given to others until it answers',
  failed: 'does not answer: is it switched on and on this network? It is taken back by itself when it returns',
  incompatible: 'speaks another version or belongs to another mesh: run the same tilemesh version on every peer',
  banned: 'gave wrong answers and is shut out: check its memory and its software, then restart it',
};

export async function peersCommand(terminal: Terminal, options: PeersOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const { self, peers } = (await getJson(urls, '/tilemesh/v1/peers', terminal.interrupted)) as {
    readonly self: object;
    readonly peers: readonly MemberView[];
  };
  if (options.json) {
    writeJson(terminal, 'peers/1', { self, peers });
    return;
  }
  terminal.out(renderPeers(terminal, peers));
}

export function renderPeers(terminal: Terminal, peers: readonly MemberView[]): string {
  const rows = peers.map((peer) => [
    `${clean(peer.name)}${peer.isSelf ? ' (this peer)' : ''}`,
    clean(peer.state),
    peer.isSelf || peer.rttMs === undefined ? '-' : formatMs(peer.rttMs),
    formatSpeed(peer.macsPerSecond),
    String(peer.activeRequests),
    String(peer.queueDepth),
    `${peer.cpuPercent.toFixed(0)} %`,
    formatBytes(peer.memoryBytes),
    peer.models.map((model) => clean(model)).join(', ') || '-',
    shortId(peer.id),
  ]);
  const columns = [
    { title: 'NAME' },
    { title: 'STATE', style: (text: string) => STYLES[text as MemberState] },
    { title: 'RTT', align: 'right' as const },
    { title: 'SPEED', align: 'right' as const },
    { title: 'ACTIVE', align: 'right' as const },
    { title: 'QUEUED', align: 'right' as const },
    { title: 'CPU', align: 'right' as const },
    { title: 'MEMORY', align: 'right' as const },
    { title: 'MODELS' },
    { title: 'ID' },
  ];
  const notes = peers.flatMap((peer) => {
    const advice = ADVICE[peer.state];
    return advice === undefined ? [] : [`${clean(peer.name)} ${advice}.`];
  });
  if (peers.length === 1) {
    notes.push('No other peer has been found: start one on another board of this network with "npx tilemesh up".');
  }
  const text = table(terminal, columns, rows);
  return notes.length === 0 ? text : `${text}\n${notes.join('\n')}\n`;
}
