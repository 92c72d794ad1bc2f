/**
 * Logs go to stderr, so that stdout stays the program's own: one line of JSON each, or one readable line on a terminal.
 * Actors take a child logger that names them: `logger.child({ actor: 'discovery' })`.
 */
import { Writable } from 'node:stream';
import { pino, type DestinationStream, type Logger } from 'pino';

export type { Logger } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

const HIDDEN = new Set(['level', 'time', 'pid', 'hostname', 'actor', 'msg', 'err']);

/** Whatever peers call themselves must not steer the terminal. */
const printable = (text: string): string => text.replace(/\p{C}/gu, '?');

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** A pino record as one line for people: `12:34:56.789 WARN  discovery  message  key=value`. */
export function formatLine(record: string): string {
  const fields = JSON.parse(record) as Record<string, unknown>;
  const time = new Date(Number(fields.time)).toISOString().slice(11, 23);
  const level = (pino.levels.labels[Number(fields.level)] ?? '').toUpperCase().padEnd(5);
  const error = fields.err as { readonly message?: unknown } | undefined;
  const rest = Object.entries(fields)
    .filter(([key]) => !HIDDEN.has(key))
    .map(([key, value]) => `${key}=${text(value)}`);
  const parts = [text(fields.actor ?? 'peer').padEnd(11), text(fields.msg ?? ''), text(error?.message ?? ''), ...rest];
  return `${time} ${level} ${printable(parts.filter((part) => part !== '').join('  '))}\n`;
}

const terminal = (): DestinationStream =>
  new Writable({
    decodeStrings: false,
    write: (record: string, _encoding, done) => {
      process.stderr.write(formatLine(record));
      done();
    },
  });

const standardError = (): DestinationStream =>
  process.stderr.isTTY ? terminal() : pino.destination({ fd: 2, sync: true });

export const createLogger = (level: LogLevel, destination: DestinationStream = standardError()): Logger =>
  pino({ level, base: null }, destination);

/** The same records twice. @param write is given each, JSON with a line's end. */
export function tee(write: (record: string) => void, destination = standardError()): DestinationStream {
  return {
    write: (record) => {
      destination.write(record);
      write(record);
    },
  };
}

/** Logs nothing. */
export const silentLogger = (): Logger => pino({ level: 'silent' });
