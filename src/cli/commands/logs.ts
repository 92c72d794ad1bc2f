/** `tilemesh logs`: the last lines a peer logged. */
import { getLines, parseApiUrls } from '../client.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { timeOfDay } from './events.ts';

export interface LogsOptions {
  readonly api: string;
  readonly level: string;
  readonly follow?: true;
  readonly json?: true;
}

interface LogLine {
  readonly record: Readonly<Record<string, unknown>>;
}

const LEVELS: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};
const STYLES = { 40: 'yellow', 50: 'red', 60: 'red' } as const;
const SHOWN_APART: ReadonlySet<string> = new Set(['level', 'time', 'actor', 'msg']);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

export function renderLog(terminal: Terminal, { record }: LogLine): string {
  const level = Number(record.level);
  const name = (LEVELS[level] ?? String(level)).padEnd(5);
  const style = STYLES[level as keyof typeof STYLES] as 'yellow' | 'red' | undefined;
  const rest = Object.entries(record)
    .filter(([key]) => !SHOWN_APART.has(key))
    .map(([key, value]) => `${clean(key)}=${clean(textOf(value))}`);
  const parts = [clean(textOf(record.actor ?? 'peer')).padEnd(11), clean(textOf(record.msg ?? ''), 500), ...rest];
  return `${timeOfDay(Number(record.time))}  ${style === undefined ? name : terminal.style(style, name)}  ${parts.join('  ')}\n`;
}

export async function logsCommand(terminal: Terminal, options: LogsOptions): Promise<void> {
  const query = { level: options.level, ...(options.follow && { follow: 'true' }) };
  const request = { path: '/tilemesh/v1/logs', query, signal: terminal.interrupted };
  for await (const line of getLines(parseApiUrls(options.api), request)) {
    terminal.out(
      options.json
        ? `${JSON.stringify({ schema: 'tilemesh.log/1', ...(line as object) })}\n`
        : renderLog(terminal, line as LogLine),
    );
  }
}
