/** `tilemesh trace`: what happened in a request, as a table, as a Chrome trace, or as a picture. */
import { writeFile } from 'node:fs/promises';
import { MeshError } from '../../core/errors.ts';
import type { PeerId } from '../../core/ids.ts';
import type { RequestTrace } from '../../core/trace/trace.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { UsageError } from '../exit.ts';
import type { Terminal } from '../terminal.ts';
import { clean, formatBytes, formatMs, plural, shortId, table } from '../text.ts';
import type { RequestList } from './requests.ts';

export interface TraceOptions {
  readonly api: string;
  readonly output?: string;
  readonly svg?: string;
  readonly json?: true;
}

const WHOLE_ID = /^[0-9a-f]{32}$/;
const ID_START = /^[0-9a-f]{1,31}$/;

export async function traceCommand(terminal: Terminal, request: string, options: TraceOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const requestId = await resolveRequest(urls, request, terminal.interrupted);
  const path = `/tilemesh/v1/requests/${requestId}/trace`;
  const trace = (await getJson(urls, path, terminal.interrupted)) as RequestTrace;
  if (options.svg !== undefined) {
    const { drawTrace } = await import('../trace/picture.ts');
    await write(options.svg, drawTrace(trace));
  }
  if (options.output !== undefined) {
    const { toChromeTrace } = await import('../trace/chrome.ts');
    const text = `${JSON.stringify(toChromeTrace(trace))}\n`;
    if (options.output === '-') {
      terminal.out(text);
      return;
    }
    await write(options.output, text);
  }
  if (options.json) terminal.out(`${JSON.stringify(trace)}\n`);
  else terminal.out(renderTrace(terminal, trace));
}

/** @throws UsageError for what is no id; MeshError NOT_FOUND, CONFLICT. */
async function resolveRequest(urls: readonly URL[], request: string, signal: AbortSignal): Promise<string> {
  if (WHOLE_ID.test(request)) return request;
  if (request !== 'last' && !ID_START.test(request)) {
    throw new UsageError(`"${clean(request)}" is no request: give an id of "tilemesh ps --all", or "last"`);
  }
  const { requests } = (await getJson(urls, '/tilemesh/v1/requests', signal)) as RequestList;
  const found = request === 'last' ? requests.slice(0, 1) : requests.filter((own) => own.requestId.startsWith(request));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only.requestId;
  if (only === undefined) {
    const what = request === 'last' ? 'has come in lately' : `of late begins with ${request}`;
    throw new MeshError('NOT_FOUND', `no request ${what}: see "tilemesh ps --all"`);
  }
  throw new MeshError('CONFLICT', `${found.length} requests begin with ${request}: give more of the id`);
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    throw new MeshError('STORAGE_FAILED', `"${file}" cannot be written: choose another file`, { cause });
  }
}

export function renderTrace(terminal: Terminal, trace: RequestTrace): string {
  const nameOf = (peer: PeerId): string => clean(trace.names[peer] ?? '') || shortId(peer);
  const sum = (spans: readonly { readonly bytes: number }[]): number =>
    spans.reduce((all, { bytes }) => all + bytes, 0);
  const columns = [
    { title: 'PEER' },
    ...['TILES', 'COMPUTE', 'WAITED', 'SENT', 'RECEIVED', 'CLOCK'].map((title) => ({ title, align: 'right' as const })),
  ];
  const rows = trace.peers.map(({ peer, computed, sent, received, clock }) => [
    nameOf(peer),
    String(computed.length),
    formatMs(computed.reduce((all, { startMs, endMs }) => all + endMs - startMs, 0)),
    formatMs(computed.reduce((all, { readyMs, startMs }) => all + startMs - readyMs, 0)),
    `${formatBytes(sum(sent))} in ${sent.length}`,
    `${formatBytes(sum(received))} in ${received.length}`,
    `±${clock.uncertaintyMs.toFixed(2)} ms`,
  ]);
  const attempts = trace.attempts.map(({ term, attempt, coordinator, outcome, reason, plan }) => {
    const by = coordinator === null ? '' : ` by ${nameOf(coordinator)}`;
    const size =
      plan === null
        ? 'plan not kept'
        : `${plural(plan.blocks.length, 'block')} over ${plural(plan.participants.length, 'peer')}`;
    return `term ${term}, plan ${attempt}${by}: ${size}, ${outcome}${reason === '' ? '' : ` (${clean(reason)})`}`;
  });
  const missing = trace.missing.map(({ peer, reason }) => `${nameOf(peer)} could not be asked: ${clean(reason)}`);
  const lines = [
    `request ${trace.requestId}: ${clean(trace.model ?? 'unknown model')}, ${trace.state}, ${formatMs(trace.elapsedMs)}`,
    `entered at ${trace.entry === null ? 'a peer that is gone' : nameOf(trace.entry)}`,
    ...attempts,
    ...missing,
  ];
  return `${lines.join('\n')}\n\n${table(terminal, columns, rows)}`;
}
