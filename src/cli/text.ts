/** Text for people: cleaned, measured, aligned. */
import { stripVTControlCharacters } from 'node:util';
import type { Style, Terminal } from './terminal.ts';

const MAX_SHOWN = 120;
/** Control and format characters (escape sequences, changes of direction), unassigned and private code points. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text from the network as it may be shown: what could move the cursor or hide something is removed. */
export function clean(text: string, maxLength = MAX_SHOWN): string {
  const safe = stripVTControlCharacters(text).replaceAll(UNSAFE, '');
  return safe.length <= maxLength ? safe : `${safe.slice(0, maxLength - 1)}…`;
}

export const plural = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

const ZERO_WIDTH = /\p{M}/u;
/** The wide and full-width blocks of Unicode's East Asian Width, and pictographs. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Columns of a terminal that the text takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const symbol of text) width += ZERO_WIDTH.test(symbol) ? 0 : WIDE.test(symbol) ? 2 : 1;
  return width;
}

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  readonly style?: (text: string) => Style | undefined;
}

/** Lines with a heading; cells are taken as clean. */
export function table(terminal: Terminal, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  if (terminal.isPlain === true) return rows.map((row) => `${row.join('\t')}\n`).join('');
  const widths = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[index] ?? ''))),
  );
  const line = (cells: readonly string[], paint: (text: string, column: Column) => string): string =>
    columns
      .map((column, index) => {
        const cell = cells[index] ?? '';
        const padding = ' '.repeat(widths[index]! - displayWidth(cell));
        const isLast = index === columns.length - 1;
        return column.align === 'right' ? padding + paint(cell, column) : paint(cell, column) + (isLast ? '' : padding);
      })
      .join('  ')
      .trimEnd();
  const heading = line(
    columns.map((column) => column.title),
    (text) => terminal.style('bold', text),
  );
  const body = rows.map((row) =>
    line(row, (text, column) => {
      const style = column.style?.(text);
      return style === undefined ? text : terminal.style(style, text);
    }),
  );
  return `${[heading, ...body].join('\n')}\n`;
}

const BYTE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** `553 MB`, decimal units. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < BYTE_UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value < 10 && unit > 0 ? value.toFixed(1) : value.toFixed(0)} ${BYTE_UNITS[unit]!}`;
}

export const formatMs = (ms: number): string =>
  ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;

/** `3 d 4 h`, `5 min 12 s`, `12 s`. */
export function formatDuration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

export const formatPercent = (fraction: number): string => `${(fraction * 100).toFixed(1)} %`;
export const formatSpeed = (macsPerSecond: number): string =>
  macsPerSecond === 0 ? '-' : `${(macsPerSecond / 1e9).toFixed(1)} GMAC/s`;

/** The end of a peer id, where ids differ. */
export const shortId = (id: string): string => clean(id).slice(-8);
