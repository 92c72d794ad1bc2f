/** `tilemesh ps`: requests in flight, and with `--all` those that have ended lately. */
import type { PeerPort } from '../../api/port.ts';
import type { PeerId } from '../../core/ids.ts';
import type { RequestState, RequestSummary } from '../../core/trace/summary.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { plainly, writeJson, type Style, type Terminal } from '../terminal.ts';
import { clean, formatDuration, formatMs, shortId, table } from '../text.ts';

export interface RequestsOptions {
  readonly api: string;
  readonly all?: true;
  readonly json?: true;
  readonly plain?: true;
}

const STYLES: Readonly<Record<RequestState, Style>> = { running: 'yellow', answered: 'green', failed: 'red' };

export interface RequestList {
  readonly self: PeerPort['self'];
  readonly requests: readonly RequestSummary[];
}

export async function requestsCommand(terminal: Terminal, options: RequestsOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const list = (await getJson(urls, '/tilemesh/v1/requests', terminal.interrupted)) as RequestList;
  const requests = list.requests.filter(({ state }) => options.all === true || state === 'running');
  if (options.json) {
    writeJson(terminal, 'ps/1', { self: list.self, requests });
    return;
  }
  if (requests.length === 0 && options.plain !== true) {
    const hint = options.all ? 'No request has come in lately.' : 'No request is in flight: --all shows those of late.';
    terminal.out(`${hint}\n`);
    return;
  }
  const { peers } = (await getJson(urls, '/tilemesh/v1/peers', terminal.interrupted)) as {
    readonly peers: readonly { readonly id: PeerId; readonly name: string }[];
  };
  const names = new Map(peers.map(({ id, name }) => [id, name]));
  terminal.out(renderRequests(options.plain ? plainly(terminal) : terminal, requests, names));
}

export function renderRequests(
  terminal: Terminal,
  requests: readonly RequestSummary[],
  names: ReadonlyMap<PeerId, string>,
): string {
  const nameOf = (peer: PeerId): string => clean(names.get(peer) ?? '') || shortId(peer);
  const columns = [
    { title: 'REQUEST' },
    { title: 'MODEL' },
    { title: 'STATE', style: (text: string) => STYLES[text as RequestState] },
    { title: 'TIME', align: 'right' as const },
    { title: 'ENTRY' },
    { title: 'COORDINATOR' },
    { title: 'TERM', align: 'right' as const },
    { title: 'AGE', align: 'right' as const },
    { title: 'REASON' },
  ];
  const rows = requests.map((request) => [
    request.requestId,
    clean(request.model, 32),
    request.state,
    formatMs(request.elapsedMs),
    nameOf(request.entry),
    request.coordinator === null ? '-' : nameOf(request.coordinator),
    String(request.term),
    formatDuration(Date.now() - request.arrivedUnixMs),
    clean(request.reason, 60) || '-',
  ]);
  return table(terminal, columns, rows);
}
