/** `tilemesh top`: peers and requests on the whole screen, again and again; the terminal is left as it was. */
import type { MemberView, PeerPort } from '../../api/port.ts';
import type { HeardCard } from '../../core/card.ts';
import { assessHealth } from '../../core/health.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { UsageError } from '../exit.ts';
import type { Screen, Terminal } from '../terminal.ts';
import { clean, displayWidth } from '../text.ts';
import { renderHealth } from './health.ts';
import { renderWidePeers } from './peers.ts';
import { renderRequests, type RequestList } from './requests.ts';

export interface TopOptions {
  readonly api: string;
  /** Seconds. */
  readonly interval: number;
}

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const CTRL_C = '\x03';
const MAX_REQUESTS = 10;
const QUERY_MS = 5_000;

export async function topCommand(terminal: Terminal, options: TopOptions): Promise<void> {
  const { screen } = terminal;
  if (screen === undefined) throw new UsageError('top needs a terminal: "tilemesh peers -w" shows the same once');
  const urls = parseApiUrls(options.api);
  const ended = new AbortController();
  const signal = AbortSignal.any([terminal.interrupted, ended.signal]);
  const isOver = (): boolean => signal.aborted;
  const first = await look(terminal, urls, signal);
  const stopKeys = screen.onKey((key) => {
    if (key === 'q' || key === 'Q' || key === CTRL_C) ended.abort();
  });
  terminal.out(ENTER);
  try {
    draw(terminal, screen, first);
    while (!isOver()) {
      await pause(options.interval * 1000, signal);
      if (isOver()) break;
      try {
        draw(terminal, screen, await look(terminal, urls, signal));
      } catch (error) {
        if (!isOver()) draw(terminal, screen, `${error instanceof Error ? clean(error.message, 500) : 'failed'}\n`);
      }
    }
  } finally {
    stopKeys();
    terminal.out(LEAVE);
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });

async function look(terminal: Terminal, urls: readonly URL[], signal: AbortSignal): Promise<string> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(QUERY_MS)]);
  const [{ self, peers }, { cards }, { requests }] = (await Promise.all([
    getJson(urls, '/tilemesh/v1/peers', limited),
    getJson(urls, '/tilemesh/v1/cards', limited),
    getJson(urls, '/tilemesh/v1/requests', limited),
  ])) as [
    { readonly self: PeerPort['self']; readonly peers: readonly MemberView[] },
    { readonly cards: readonly HeardCard[] },
    RequestList,
  ];
  const isReady = peers.some(({ isSelf, state }) => isSelf && state === 'alive');
  const names = new Map(peers.map(({ id, name }) => [id, name]));
  const shown = requests.slice(0, MAX_REQUESTS);
  return [
    `mesh ${clean(self.mesh)}, asked at ${clean(self.name)}; ${new Date().toLocaleTimeString('en-GB')}; q ends\n`,
    renderHealth(terminal, assessHealth(peers, isReady)),
    '\n',
    renderWidePeers(terminal, peers, cards),
    '\n',
    shown.length === 0 ? 'no request has come in lately\n' : renderRequests(terminal, shown, names),
  ].join('');
}

/** What fits, over what was there. */
function draw(terminal: Terminal, screen: Screen, text: string): void {
  const { columns, rows } = screen.size();
  const lines = text
    .trimEnd()
    .split('\n')
    .slice(0, rows - 1)
    .map((line) => `${fitting(line, columns)}${CLEAR_LINE}`);
  terminal.out(`${HOME}${lines.join('\n')}${CLEAR_BELOW}`);
}

// eslint-disable-next-line no-control-regex -- colours begin with a control character
const STYLED = /(\x1b\[[\d;]*m)/;

/** As much as fits in one line of the screen; colours take no room. */
export function fitting(line: string, columns: number): string {
  let left = columns;
  let fitted = '';
  for (const part of line.split(STYLED)) {
    if (STYLED.test(part)) {
      fitted += part;
      continue;
    }
    for (const symbol of part) {
      const width = displayWidth(symbol);
      if (width > left) break;
      left -= width;
      fitted += symbol;
    }
  }
  return fitted;
}
