/** `tilemesh import`: an ONNX file becomes a model of the mesh. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { MeshError } from '../../core/errors.ts';
import type { ModelView } from '../../api/port.ts';
import { parseApiUrls, postForEvents } from '../client.ts';
import { progressLine } from '../progress.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatBytes } from '../text.ts';

export interface ImportCommandOptions {
  readonly api: string;
  readonly name: string;
  readonly task?: string;
  readonly description?: string;
  readonly json?: true;
}

/** Longest an upload with the work after it may take. */
const IMPORT_MS = 60 * 60_000;

export async function importCommand(terminal: Terminal, file: string, options: ImportCommandOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const byteLength = await sizeOf(file);
  const progress = progressLine(terminal);
  try {
    const { model } = (await postForEvents(
      urls.slice(0, 1),
      {
        path: '/tilemesh/v1/models',
        query: { name: options.name, task: options.task, description: options.description },
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(byteLength) },
        body: upload(file, byteLength, (sent) => progress.update('sending', sent, byteLength)),
        signal: AbortSignal.any([terminal.interrupted, AbortSignal.timeout(IMPORT_MS)]),
      },
      progress.update,
    )) as { readonly model: ModelView };
    progress.clear();
    if (options.json) writeJson(terminal, 'import/1', { model });
    else {
      terminal.out(
        `imported ${clean(model.name)} (${clean(model.task)}, ${formatBytes(model.bytesTotal)} of weights): run it with "npx tilemesh run ${clean(model.name)} INPUT"\n`,
      );
    }
  } finally {
    progress.clear();
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    const found = await stat(file);
    if (found.isFile()) return found.size;
  } catch (cause) {
    throw new MeshError('NOT_FOUND', `there is no file "${file}" that can be read`, { cause });
  }
  throw new MeshError('INVALID_ARGUMENT', `"${file}" is not a file`);
}

function upload(file: string, byteLength: number, onSent: (bytes: number) => void): ReadableStream<Uint8Array> {
  let sent = 0;
  const source = createReadStream(file, { end: Math.max(0, byteLength - 1), highWaterMark: 256 * 1024 });
  source.on('data', (chunk) => onSent((sent += chunk.length)));
  return Readable.toWeb(source) as ReadableStream<Uint8Array>;
}
