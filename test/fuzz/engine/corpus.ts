/** Inputs that broke a parser once, kept so that they never do again: a folder for each parser, a file for each input. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Violation } from './parser.ts';

export const CORPUS_FOLDER = join(import.meta.dirname, '..', 'corpus');

export async function readCorpus(parser: string, folder = CORPUS_FOLDER): Promise<readonly Uint8Array[]> {
  const names = await readdir(join(folder, parser)).catch(() => []);
  return Promise.all(names.sort().map(async (name) => new Uint8Array(await readFile(join(folder, parser, name)))));
}

/** @returns where it is. */
export async function keep({ parser, kind, input }: Violation, folder = CORPUS_FOLDER): Promise<string> {
  const bytes = Buffer.from(input, 'hex');
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const path = join(folder, parser, `${kind}-${digest}`);
  await mkdir(join(folder, parser), { recursive: true });
  await writeFile(path, bytes);
  return path;
}
