/** `tilemesh events`: what happened, as it happens. */
import type { MeshEvent } from '../../api/insight.ts';
import { getLines, parseApiUrls } from '../client.ts';
import { plainly, type Style, type Terminal } from '../terminal.ts';
import { clean, shortId } from '../text.ts';

export interface EventsOptions {
  readonly api: string;
  readonly follow?: true;
  readonly json?: true;
  readonly plain?: true;
}

export type ShownEvent = MeshEvent & { readonly sequence: number; readonly unixMs: number };

const STYLES: Readonly<Record<MeshEvent['kind'], Style>> = {
  'member-up': 'green',
  'member-lost': 'red',
  'member-down': 'yellow',
  'models-changed': 'dim',
  'model-evicted': 'yellow',
  'request-arrived': 'dim',
  'request-answered': 'green',
  'request-failed': 'red',
};

const KIND_WIDTH = 16;

/** Local time of day. */
export const timeOfDay = (unixMs: number): string =>
  `${new Date(unixMs).toLocaleTimeString('en-GB')}.${String(Math.floor(unixMs % 1000)).padStart(3, '0')}`;

export function renderEvent(terminal: Terminal, event: ShownEvent): string {
  const { unixMs, kind, peer, name, requestId, text } = event;
  const who = peer === undefined ? '' : `${clean(name ?? '')} (${shortId(peer)})`;
  const details = [requestId ?? '', who, clean(text ?? '')].filter((part) => part !== '');
  const shownKind = clean(kind);
  if (terminal.isPlain === true) return `${[new Date(unixMs).toISOString(), shownKind, ...details].join('\t')}\n`;
  const style = STYLES[kind] as Style | undefined;
  const padded = shownKind.padEnd(KIND_WIDTH);
  return `${timeOfDay(unixMs)}  ${style === undefined ? padded : terminal.style(style, padded)}  ${details.join('  ')}\n`;
}

export async function eventsCommand(terminal: Terminal, options: EventsOptions): Promise<void> {
  const shown = options.plain ? plainly(terminal) : terminal;
  const query = options.follow ? { follow: 'true' } : {};
  const request = { path: '/tilemesh/v1/events', query, signal: terminal.interrupted };
  for await (const event of getLines(parseApiUrls(options.api), request)) {
    terminal.out(
      options.json
        ? `${JSON.stringify({ schema: 'tilemesh.event/1', ...(event as object) })}\n`
        : renderEvent(shown, event as ShownEvent),
    );
  }
}
