/** `tilemesh peers`: who is here, how fast, how loaded, what is wrong and what to do about it. */
import type { MemberState, MemberView } from '../../api/port.ts';
import type { HeardCard } from '../../core/card.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { asInstalled } from '../service.ts';
import { plainly, writeJson, type Style, type Terminal } from '../terminal.ts';
import {
  clean,
  formatBytes,
  formatDuration,
  formatMs,
  formatPercent,
  formatSpeed,
  shortId,
  table,
  type Column,
} from '../text.ts';

export interface PeersOptions {
  readonly api: string;
  readonly wide?: true;
  readonly json?: true;
  readonly plain?: true;
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
  banned:
    'is shut out: where it gave wrong answers check its memory and its software and restart it; where "peer ban" did it, ' +
    '"peer unban" undoes it',
};

export async function peersCommand(terminal: Terminal, options: PeersOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const { self, peers } = (await getJson(urls, '/tilemesh/v1/peers', terminal.interrupted)) as {
    readonly self: object;
    readonly peers: readonly MemberView[];
  };
  const cards = options.wide ? await cardsOf(urls, terminal.interrupted) : undefined;
  if (options.json) {
    writeJson(terminal, 'peers/1', { self, peers, ...(cards !== undefined && { cards }) });
    return;
  }
  const shown = options.plain ? plainly(terminal) : terminal;
  terminal.out(cards === undefined ? renderPeers(shown, peers) : renderWidePeers(shown, peers, cards));
}

async function cardsOf(urls: readonly URL[], signal: AbortSignal): Promise<readonly HeardCard[]> {
  const { cards } = (await getJson(urls, '/tilemesh/v1/cards', signal)) as { readonly cards: readonly HeardCard[] };
  return cards;
}

const right = (title: string): Column => ({ title, align: 'right' });

const WIDE_COLUMNS: readonly Column[] = [
  { title: 'NAME' },
  { title: 'ID' },
  { title: 'ADDRESS' },
  { title: 'STATE', style: (text) => STYLES[text as MemberState] },
  right('P50'),
  right('P99'),
  right('LOSS'),
  { title: 'VERSION' },
  right('SPEED'),
  right('ACTIVE'),
  right('QUEUED'),
  right('CPU'),
  right('MEMORY'),
  right('TEMP'),
  { title: 'THROTTLED', style: (text) => (text === 'yes' ? 'red' : undefined) },
  right('TILES/S'),
  right('ERRORS'),
  right('SEEN'),
  { title: 'MODELS' },
];

/** All there is to know; `-` where the peer does not say. */
export function renderWidePeers(terminal: Terminal, peers: readonly MemberView[], cards: readonly HeardCard[]): string {
  const own = cards.find(({ peer }) => peers.some(({ id, isSelf }) => isSelf && id === peer))?.card;
  const rows = peers.map((peer) => {
    const card = cards.find((heard) => heard.peer === peer.id)?.card;
    const roundTrip = own?.reaches.find((reach) => reach.peer === peer.id)?.roundTrip;
    const throttled = card?.machine.isThrottled;
    return [
      `${clean(peer.name)}${peer.isSelf ? ' (this peer)' : ''}`,
      shortId(peer.id),
      hostOf(peer.addresses),
      clean(peer.state),
      roundTrip == null ? '-' : formatMs(roundTrip.p50Ms),
      roundTrip == null ? '-' : formatMs(roundTrip.p99Ms),
      roundTrip == null ? '-' : formatPercent(roundTrip.loss),
      clean(peer.version),
      formatSpeed(peer.macsPerSecond),
      String(peer.activeRequests),
      String(peer.queueDepth),
      `${peer.cpuPercent.toFixed(0)} %`,
      formatBytes(peer.memoryBytes),
      card?.machine.temperatureC == null ? '-' : `${card.machine.temperatureC.toFixed(0)} °C`,
      throttled == null ? '-' : throttled ? 'yes' : 'no',
      card == null ? '-' : card.tilesPerSecond.toFixed(1),
      card == null ? '-' : String(card.errors),
      peer.isSelf ? '-' : formatDuration(peer.lastSeenMs),
      peer.models.map((model) => clean(model)).join(',') || '-',
    ];
  });
  return table(terminal, WIDE_COLUMNS, rows);
}

/** `192.168.1.7:4001`, of the first address that is not this machine's own. */
function hostOf(addresses: readonly string[]): string {
  const hosts = addresses.flatMap((address) => {
    const [, host, port] = /^\/ip4\/([\d.]+)\/tcp\/(\d+)/.exec(address) ?? [];
    return host === undefined ? [] : [`${host}:${port!}`];
  });
  return hosts.find((host) => !host.startsWith('127.')) ?? hosts[0] ?? '-';
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
    const advice = '"npx tilemesh invite" says how another board of this network joins';
    notes.push(`No other peer has been found: ${asInstalled(advice)}.`);
  }
  const text = table(terminal, columns, rows);
  if (terminal.isPlain === true) return text;
  return notes.length === 0 ? text : `${text}\n${notes.join('\n')}\n`;
}
