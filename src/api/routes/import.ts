/** `POST /tilemesh/v1/models?name=NAME&task=PRESET`: an ONNX file in, streamed to disk, taken in whole or not at all. */
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FastifyInstance } from 'fastify';
import { MeshError, toMeshError } from '../../core/errors.ts';
import { presetTask } from '../../../models/tasks/presets.ts';
import { requestSignal } from '../cancellation.ts';
import { replyWithProgress } from '../event-stream.ts';
import type { ApiLimits } from '../limits.ts';
import { defined, MODEL_NAME } from '../query.ts';
import type { RouteContext } from './context.ts';

const MAX_DESCRIPTION_LENGTH = 500;

interface ImportRoute {
  readonly Body: Readable | undefined;
  readonly Querystring: Readonly<Partial<Record<'name' | 'task' | 'description', string>>>;
}

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function importRoutes(app: FastifyInstance, context: RouteContext): Promise<void> {
  const { peer, limits, closing, onError } = context;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));

  app.post<ImportRoute>('/tilemesh/v1/models', { bodyLimit: limits.modelBytes }, async (request, reply) => {
    const signal = requestSignal(reply, closing);
    const { name = '', task, description } = request.query;
    if (!MODEL_NAME.test(name)) {
      throw new MeshError(
        'INVALID_ARGUMENT',
        'a model needs a name of up to 64 letters, digits, dots, dashes and underscores: add ?name=NAME',
      );
    }
    if (description !== undefined && description.length > MAX_DESCRIPTION_LENGTH) {
      throw new MeshError('INVALID_ARGUMENT', `a description may have ${MAX_DESCRIPTION_LENGTH} letters`);
    }
    if (request.body === undefined) {
      throw new MeshError('INVALID_INPUT', 'there is no model: send an ONNX file as application/octet-stream');
    }
    const options = {
      name,
      ...defined('task', task === undefined ? undefined : await presetTask(task)),
      ...defined('description', description),
    };
    const upload = await receive(request.body, context.temporaryFolder, limits, signal);
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
  });
}

interface Upload {
  readonly file: string;
  remove(): Promise<void>;
}

/** @throws MeshError PAYLOAD_TOO_LARGE, DEADLINE_EXCEEDED, CANCELLED, STORAGE_FAILED; nothing stays on disk then. */
async function receive(body: Readable, parent: string, limits: ApiLimits, signal: AbortSignal): Promise<Upload> {
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
    const file = join(folder, 'model.onnx');
    await pipeline(
      body,
      countBytes(limits.modelBytes, () => timer.refresh()),
      createWriteStream(file),
      { signal: stop },
    );
    return { file, remove };
  } catch (error) {
    await remove();
    if (stop.aborted) throw toMeshError(stop.reason, 'CANCELLED');
    throw error instanceof MeshError ? error : storageFailed(error);
  } finally {
    clearTimeout(timer);
  }
}

function countBytes(limit: number, onChunk: () => void): Transform {
  let received = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onChunk();
      received += chunk.byteLength;
      if (received <= limit) done(null, chunk);
      else done(new MeshError('PAYLOAD_TOO_LARGE', `a model file may have ${limit} bytes: this one is larger`));
    },
  });
}

const storageFailed = (cause: unknown): MeshError =>
  new MeshError(
    'STORAGE_FAILED',
    `the model could not be written to disk (${cause instanceof Error ? cause.message : String(cause)}): free some space or choose another folder with --data`,
    { cause },
  );
