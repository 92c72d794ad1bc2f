/**
 * `POST /tilemesh/v1/models?name=NAME&task=PRESET`: an ONNX file in, streamed to disk, taken in whole or not at all. With
 * `&graphBytes=N`, the ONNX file is the first N bytes, and what follows is `weights.bin`, which its external data is in.
 */
import { mkdir, mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FastifyInstance } from 'fastify';
import { MeshError, toMeshError } from '../../core/errors.ts';
import { WEIGHTS_BESIDE } from '../../../models/package.ts';
import { presetTask } from '../../../models/tasks/presets.ts';
import { requestSignal } from '../cancellation.ts';
import { replyWithProgress } from '../event-stream.ts';
import { defined, MODEL_NAME } from '../query.ts';
import type { RouteContext } from './context.ts';

const MAX_DESCRIPTION_LENGTH = 500;

interface ImportRoute {
  readonly Body: Readable | undefined;
  readonly Querystring: Readonly<Partial<Record<'name' | 'task' | 'description' | 'graphBytes', string>>>;
}

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function importRoutes(app: FastifyInstance, context: RouteContext): Promise<void> {
  const { peer, limits, closing, onError } = context;
  const underWay = new Set<object>();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));

  app.post<ImportRoute>(
    '/tilemesh/v1/models',
    {
      bodyLimit: limits.modelBytes + limits.weightBytes,
      onRequest: (request, reply, done) => {
        if (underWay.size >= limits.uploads) {
          done(new MeshError('OVERLOADED', `${limits.uploads} models are on their way in already: try again later`));
          return;
        }
        underWay.add(request);
        reply.raw.once('close', () => underWay.delete(request));
        done();
      },
    },
    async (request, reply) => {
      const signal = requestSignal(reply, closing);
      const { name = '', task, description, graphBytes } = request.query;
      if (!MODEL_NAME.test(name)) {
        throw new MeshError(
          'INVALID_ARGUMENT',
          'a model needs a name of up to 64 letters, digits, dots, dashes and underscores: add ?name=NAME',
        );
      }
      if (description !== undefined && description.length > MAX_DESCRIPTION_LENGTH) {
        throw new MeshError('INVALID_ARGUMENT', `a description may have ${MAX_DESCRIPTION_LENGTH} letters`);
      }
      if (graphBytes !== undefined && !/^[1-9]\d{0,14}$/.test(graphBytes)) {
        throw new MeshError('INVALID_ARGUMENT', 'graphBytes is the length of the ONNX file at the front of the body');
      }
      if (request.body === undefined) {
        throw new MeshError('INVALID_INPUT', 'there is no model: send an ONNX file as application/octet-stream');
      }
      const options = {
        name,
        ...defined('task', task === undefined ? undefined : await presetTask(task)),
        ...defined('description', description),
      };
      const upload = await receive(request.body, graphBytes, context, signal);
      return replyWithProgress(
        request,
        reply,
        async (onProgress) => {
          try {
            return { model: await peer.importOnnx(upload.file, options, onProgress, signal) };
          } finally {
            await upload.remove();
          }
        },
        onError,
      );
    },
  );
}

interface Upload {
  readonly file: string;
  remove(): Promise<void>;
}

/** @throws MeshError PAYLOAD_TOO_LARGE, DEADLINE_EXCEEDED, CANCELLED, STORAGE_FAILED; nothing stays on disk then. */
async function receive(
  body: Readable,
  graphBytes: string | undefined,
  { temporaryFolder: parent, limits }: RouteContext,
  signal: AbortSignal,
): Promise<Upload> {
  const idle = new AbortController();
  const giveUp = (): void =>
    idle.abort(new MeshError('DEADLINE_EXCEEDED', `the upload stood still for ${limits.uploadIdleMs} ms: try again`));
  const timer = setTimeout(giveUp, limits.uploadIdleMs);
  const stop = AbortSignal.any([signal, idle.signal]);
  let folder: string | undefined;
  const remove = async (): Promise<void> => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    await mkdir(parent, { recursive: true });
    folder = await mkdtemp(join(parent, 'upload-'));
    const path = join(folder, 'model.onnx');
    await using graph = await open(path, 'w');
    await using weights = await open(join(folder, WEIGHTS_BESIDE), 'w');
    const parts: readonly Part[] = [
      { file: graph, bytes: graphBytes === undefined ? Infinity : Number(graphBytes), limit: limits.modelBytes },
      { file: weights, bytes: Infinity, limit: limits.weightBytes },
    ];
    await pipeline(
      body,
      writeParts(parts, () => timer.refresh()),
      { signal: stop },
    );
    return { file: path, remove };
  } catch (error) {
    await remove();
    if (stop.aborted) throw toMeshError(stop.reason, 'CANCELLED');
    throw error instanceof MeshError ? error : storageFailed(error);
  } finally {
    clearTimeout(timer);
  }
}

/** A file, and how many bytes go into it before the next one's turn. */
interface Part {
  readonly file: FileHandle;
  readonly bytes: number;
  readonly limit: number;
}

function writeParts(parts: readonly Part[], onChunk: () => void): Writable {
  let index = 0;
  let written = 0;
  const write = async (chunk: Buffer): Promise<void> => {
    for (let rest = chunk; rest.byteLength > 0;) {
      const { file, bytes, limit } = parts[index]!;
      const own = rest.subarray(0, Math.min(rest.byteLength, bytes - written));
      if (written + own.byteLength > limit) {
        throw new MeshError(
          'PAYLOAD_TOO_LARGE',
          `the ${index === 0 ? 'ONNX file' : 'weights'} of a model may have ${limit} bytes: these are more`,
        );
      }
      await file.writeFile(own);
      written += own.byteLength;
      rest = rest.subarray(own.byteLength);
      if (written === bytes) {
        index++;
        written = 0;
      }
    }
  };
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      onChunk();
      write(chunk).then(() => done(), done);
    },
  });
}

const storageFailed = (cause: unknown): MeshError =>
  new MeshError(
    'STORAGE_FAILED',
    `the model could not be written to disk (${cause instanceof Error ? cause.message : String(cause)}): free some space or choose another folder with --data`,
    { cause },
  );
