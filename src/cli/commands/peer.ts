/** `tilemesh peer inspect|ping`: one peer, by its name or a part of its id. */
import type { MemberView } from '../../api/port.ts';
import type { HeardCard } from '../../core/card.ts';
import { nearestTo } from '../../core/edit-distance.ts';
import { MeshError } from '../../core/errors.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatBytes, formatDuration, formatMs, formatPercent, formatSpeed, shortId, table } from '../text.ts';

export interface InspectOptions {
  readonly api: string;
  readonly json?: true;
}

export interface PingOptions extends InspectOptions {
  readonly count: number;
}

/** A member by its name, its id, or a part of the id with at least four characters. @throws MeshError NOT_FOUND, CONFLICT. */
export function findPeer<Member extends { readonly id: string; readonly name: string }>(
  members: readonly Member[],
  text: string,
): Member {
  const exact = members.filter(({ id, name }) => id === text || name === text);
  const partly = text.length < 4 ? [] : members.filter(({ id }) => id.startsWith(text) || id.endsWith(text));
  const found = exact.length > 0 ? exact : partly;
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const shown = clean(text);
  if (only !== undefined) {
    const ids = found.map(({ id }) => shortId(id)).join(', ');
    throw new MeshError('CONFLICT', `"${shown}" may be any of ${found.length} peers: name one by its id: ${ids}`);
  }
  const guess = nearestTo(
    text,
    members.map(({ name }) => name),
  );
  const hint = guess === undefined ? 'see "tilemesh peers"' : `did you mean ${clean(guess)}?`;
  throw new MeshError('NOT_FOUND', `there is no peer "${shown}" in the mesh: ${hint}`);
}

async function membersOf(urls: readonly URL[], signal: AbortSignal): Promise<readonly MemberView[]> {
  const { peers } = (await getJson(urls, '/tilemesh/v1/peers', signal)) as { readonly peers: readonly MemberView[] };
  return peers;
}

export async function inspectCommand(
  terminal: Terminal,
  name: string | undefined,
  options: InspectOptions,
): Promise<void> {
  const urls = parseApiUrls(options.api);
  const members = await membersOf(urls, terminal.interrupted);
  const member = name === undefined ? members.find(({ isSelf }) => isSelf) : findPeer(members, name);
  if (member === undefined) throw new MeshError('NOT_FOUND', 'the peer that was asked is no member of its mesh');
  const { cards } = (await getJson(urls, '/tilemesh/v1/cards', terminal.interrupted)) as {
    readonly cards: readonly HeardCard[];
  };
  const heard = cards.find(({ peer }) => peer === member.id);
  if (options.json) {
    writeJson(terminal, 'peer/1', { member, card: heard?.card ?? null, clockSkewMs: heard?.clockSkewMs ?? null });
    return;
  }
  terminal.out(renderPeer(terminal, member, heard));
}

const orDash = <Value>(value: Value | null, show: (value: Value) => string): string =>
  value === null ? '-' : show(value);

function renderPeer(terminal: Terminal, member: MemberView, heard: HeardCard | undefined): string {
  const lines: [string, string][] = [
    ['name', clean(member.name)],
    ['id', member.id],
    ['state', `${clean(member.state)}${member.isSelf ? ', the peer that was asked' : ''}`],
    ['addresses', member.addresses.map((address) => clean(address)).join(', ') || '-'],
    ['version', clean(member.version)],
    ['speed', formatSpeed(member.macsPerSecond)],
    ['models', member.models.map((model) => clean(model)).join(', ') || '-'],
  ];
  const card = heard?.card;
  if (heard === undefined || card == null) {
    lines.push(['says', heard === undefined ? 'nothing: it is not asked in this state' : clean(heard.reason)]);
    return renderLines(lines);
  }
  const { machine } = card;
  lines.push(
    ['runs for', formatDuration(card.uptimeMs)],
    [
      'machine',
      `${clean(card.platform)}, ${machine.cores} cores, Node ${clean(card.runtime)}, kernel ${clean(card.kernel)}`,
    ],
    ['load', orDash(machine.load, (load) => load.toFixed(2))],
    [
      'temperature',
      `${orDash(machine.temperatureC, (degrees) => `${degrees.toFixed(0)} °C`)}${machine.isThrottled === true ? ', throttled' : ''}`,
    ],
    ['governor', machine.governors.map((governor) => clean(governor)).join(', ') || '-'],
    ['memory', `${orDash(machine.availableBytes, formatBytes)} free of ${orDash(machine.memoryBytes, formatBytes)}`],
    ['disk', `${orDash(machine.diskFreeBytes, formatBytes)} free of ${orDash(machine.diskBytes, formatBytes)}`],
    ['tiles', `${card.tiles}, ${card.tilesPerSecond.toFixed(1)} a second`],
    ['errors', String(card.errors)],
    [
      'clock',
      `${formatMs(Math.abs(heard.clockSkewMs))} ${heard.clockSkewMs > 0 ? 'behind' : 'ahead of'} the peer that was asked`,
    ],
  );
  const columns = [
    { title: 'REACHES' },
    { title: 'STATE' },
    { title: 'CONNECTED' },
    ...['P50', 'P99', 'LOSS'].map((title) => ({ title, align: 'right' as const })),
  ];
  const rows = card.reaches.map(({ name, peer, state, isConnected, roundTrip }) => [
    clean(name) || shortId(peer),
    clean(state),
    isConnected ? 'yes' : 'no',
    orDash(roundTrip, ({ p50Ms }) => formatMs(p50Ms)),
    orDash(roundTrip, ({ p99Ms }) => formatMs(p99Ms)),
    orDash(roundTrip, ({ loss }) => formatPercent(loss)),
  ]);
  return `${renderLines(lines)}${rows.length === 0 ? '' : `\n${table(terminal, columns, rows)}`}`;
}

const renderLines = (lines: readonly (readonly [string, string])[]): string =>
  lines.map(([name, value]) => `${name.padEnd(12)}${value}\n`).join('');

export async function pingCommand(terminal: Terminal, name: string, options: PingOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const member = findPeer(await membersOf(urls, terminal.interrupted), name);
  if (member.isSelf) {
    throw new MeshError('INVALID_ARGUMENT', `${clean(member.name)} is the peer that is asked: name another one`);
  }
  const path = `/tilemesh/v1/peers/${encodeURIComponent(member.id)}/ping?count=${options.count}`;
  const { roundTripsMs } = (await getJson(urls, path, terminal.interrupted)) as {
    readonly roundTripsMs: readonly number[];
  };
  const sorted = roundTripsMs.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const figures = { leastMs: at(0), medianMs: at(0.5), mostMs: at(1) };
  if (options.json) {
    writeJson(terminal, 'ping/1', { peer: member.id, name: member.name, roundTripsMs, ...figures });
    return;
  }
  for (const [index, ms] of roundTripsMs.entries())
    terminal.out(`${clean(member.name)}: ${index + 1}: ${ms.toFixed(2)} ms\n`);
  const { leastMs, medianMs, mostMs } = figures;
  terminal.out(`least ${leastMs.toFixed(2)} ms, median ${medianMs.toFixed(2)} ms, most ${mostMs.toFixed(2)} ms\n`);
}
