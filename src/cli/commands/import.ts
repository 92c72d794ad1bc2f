/**
 * `tilemesh import`: an ONNX file becomes a model of the mesh. One that keeps its weights in files beside it is sent in two
 * parts: the graph, and all its weights one after the other.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { encodeGraph } from '../../../models/onnx/encode.ts';
import { readPackage, WEIGHTS_BESIDE, type ModelPackage } from '../../../models/package.ts';
import { MeshError } from '../../core/errors.ts';
import { byteLength } from '../../core/tensor/tensor.ts';
import type { ModelView } from '../../api/port.ts';
import { parseApiUrls, postForEvents } from '../client.ts';
import { progressLine } from '../progress.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { asInstalled } from '../service.ts';
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
  const size = await sizeOf(file);
  const model = await readPackage(file);
  const upload = model.isSplit ? uploadInParts(model) : uploadOf(file, size);
  const progress = progressLine(terminal);
  try {
    const { model: imported } = (await postForEvents(
      urls.slice(0, 1),
      {
        path: '/tilemesh/v1/models',
        query: {
          name: options.name,
          task: options.task,
          description: options.description,
          graphBytes: upload.graphBytes,
        },
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(upload.bytes) },
        body: upload.body((sent) => progress.update('sending', sent, upload.bytes)),
        signal: AbortSignal.any([terminal.interrupted, AbortSignal.timeout(IMPORT_MS)]),
      },
      progress.update,
    )) as { readonly model: ModelView };
    progress.clear();
    if (options.json) writeJson(terminal, 'import/1', { model: imported });
    else {
      terminal.out(
        `imported ${clean(imported.name)} (${clean(imported.task)}, ${formatBytes(imported.bytesTotal)} of weights): run it with "${asInstalled('npx tilemesh run')} ${clean(imported.name)} INPUT"\n`,
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

interface Upload {
  readonly bytes: number;
  /** Of the ONNX file at its front, where weights follow it. */
  readonly graphBytes?: string;
  body(onSent: (bytes: number) => void): ReadableStream<Uint8Array>;
}

/** Read no faster than it is sent: the file may be larger than memory. */
async function* counted(
  source: AsyncIterable<Uint8Array>,
  onSent: (bytes: number) => void,
): AsyncGenerator<Uint8Array, undefined> {
  let sent = 0;
  for await (const chunk of source) {
    yield chunk;
    onSent((sent += chunk.byteLength));
  }
  return undefined;
}

const uploadOf = (file: string, bytes: number): Upload => ({
  bytes,
  body: (onSent) =>
    ReadableStream.from(
      counted(createReadStream(file, { end: Math.max(0, bytes - 1), highWaterMark: 256 * 1024 }), onSent),
    ),
});

function uploadInParts(model: ModelPackage): Upload {
  const graph = encodeGraph(model.graph, WEIGHTS_BESIDE);
  const ends = [...model.graph.weights.values()].map(({ type, shape, offset }) => offset + byteLength(type, shape));
  return {
    bytes: graph.byteLength + Math.max(0, ...ends),
    graphBytes: String(graph.byteLength),
    body: (onSent) => ReadableStream.from(counted(partsOf(model, graph), onSent)),
  };
}

async function* partsOf(model: ModelPackage, graph: Uint8Array): AsyncGenerator<Uint8Array> {
  yield graph;
  let end = 0;
  for (const [name, { offset }] of model.graph.weights) {
    if (offset > end) yield new Uint8Array(offset - end);
    end = offset;
    for await (const piece of model.weightPieces(name)) {
      yield piece;
      end += piece.byteLength;
    }
  }
}
