/** Options and help that several commands have. */
import { Option } from 'commander';
import { DEFAULT_API } from './client.ts';

export const examples = (lines: readonly string[]): string =>
  `Examples:\n${lines.map((line) => `  ${line}\n`).join('')}`;

export const apiOption = (): Option =>
  new Option('--api <address>', 'peer to ask, HOST:PORT or a URL; several with commas, tried in turn')
    .env('TILEMESH_API')
    .default(DEFAULT_API);

export const jsonOption = (): Option => new Option('--json', 'answer with one JSON document');
