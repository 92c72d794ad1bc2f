/** What commands have in common on the command line: options, how their values are read, examples. */
import { InvalidArgumentError, Option } from 'commander';
import { MODEL_NAME } from '../api/query.ts';
import { DEFAULT_API } from './address.ts';
import { asInstalled } from './service.ts';

export const examples = (lines: readonly string[]): string =>
  asInstalled(`Examples:\n${lines.map((line) => `  ${line}\n`).join('')}`);

export const apiOption = (): Option =>
  new Option('--api <address>', 'peer to ask, HOST:PORT or a URL; several with commas, tried in turn')
    .env('TILEMESH_API')
    .default(DEFAULT_API);

export const jsonOption = (): Option => new Option('--json', 'answer with one JSON document');

export const append = (value: string, previous: readonly string[]): readonly string[] => [...previous, value];

export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError('a port is 0 to 65535.');
  return port;
}

export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !(seconds > 0) || seconds > 86_400) {
    throw new InvalidArgumentError('a deadline is a number of seconds, up to a day.');
  }
  return seconds;
}

export function parseParallelism(text: string): string {
  if (text !== 'auto' && !/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('"auto" or a number of peers.');
  return text;
}

export function parseParallelisms(text: string): string[] {
  return text.split(',').map(parseParallelism);
}

export function parseParts(text: string): number[] {
  const parts = text.split(',').map(Number);
  if (!parts.every((count) => Number.isInteger(count) && count >= 2 && count <= 64)) {
    throw new InvalidArgumentError('numbers of parts from 2 to 64, with commas in between.');
  }
  return parts;
}

export function parseSeed(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('a whole number.');
  return Number(text);
}

export function parseModelName(text: string): string {
  if (!MODEL_NAME.test(text)) throw new InvalidArgumentError('up to 64 letters, digits, dots, dashes and underscores.');
  return text;
}

export const numberWithin =
  (least: number, most: number, isWhole: boolean) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}.`);
  };

export const plainOption = (): Option =>
  new Option('--plain', 'without headings, colours and alignment: columns with tabs between');
