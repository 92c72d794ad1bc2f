/**
 * A model on its way into the store, wherever it comes from: its graph, and the bytes of each of its weights in pieces
 * small enough that nobody else has to wait for one.
 */
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { MeshError } from '../src/core/errors.ts';
import type { Graph } from '../src/core/graph/graph.ts';
import { decodeModel } from './onnx/decode.ts';
import type { ExternalLocation } from './onnx/external-location.ts';

export interface ModelPackage {
  readonly graph: Graph;
  /** Some of its bytes are in files beside the ONNX file. */
  readonly isSplit: boolean;
  /** The bytes of one of `graph.weights`, in order, in pieces of at most 1 MiB. */
  weightPieces(name: string): AsyncIterable<Uint8Array>;
}

const PIECE_BYTES = 1_048_576;
/** The one file beside the ONNX file of a model that is sent in two parts. */
export const WEIGHTS_BESIDE = 'weights.bin';

/** The network of an ONNX file and of the files beside it that hold its external data. @throws MeshError NOT_FOUND, INVALID_MODEL. */
export async function readPackage(path: string): Promise<ModelPackage> {
  return packageOf(await readModelFile(path), dirname(path));
}

/**
 * The network of an ONNX file in memory, of which the weights stay views.
 * @param folder where its external data is; without one a model that has any is refused.
 * @throws MeshError INVALID_MODEL.
 */
export function packageOf(bytes: Uint8Array, folder?: string): ModelPackage {
  const outside: string[] = [];
  const readExternal = (location: ExternalLocation, tensor: string): Uint8Array => {
    outside.push(tensor);
    return readSmall(resolveInside(folder!, location, tensor), location);
  };
  const model = decodeModel(bytes, folder === undefined ? {} : { readExternal });
  const isOutside = (name: string): boolean => !(model.weightBytes(name) instanceof Uint8Array);
  return {
    graph: model.graph,
    isSplit: outside.length > 0 || [...model.graph.weights.keys()].some(isOutside),
    weightPieces: (name) => {
      const content = model.weightBytes(name);
      if (content instanceof Uint8Array) return pieces(content);
      if (folder !== undefined) return filePieces(resolveInside(folder, content, name), content);
      throw new MeshError(
        'INVALID_MODEL',
        `the data of "${name}" is outside the file, in "${content.location}": save the model as one file`,
      );
    },
  };
}

async function readModelFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(path, cause);
    throw new MeshError('NOT_FOUND', `there is no file "${path}" that can be read`, { cause });
  }
}

const unreadable = (path: string, cause: unknown): MeshError =>
  new MeshError('INVALID_MODEL', `cannot read "${path}" (${String(cause)}): check that it is there and whole`, {
    cause,
  });

// eslint-disable-next-line @typescript-eslint/require-await -- the same type as pieces that are read from a file
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += PIECE_BYTES) yield bytes.subarray(start, start + PIECE_BYTES);
}

/**
 * Where external data is on disk. Links are followed, but not out of the folder: a model from a stranger must not make its
 * reader read, and hand on, whatever lies elsewhere.
 */
function resolveInside(folder: string, { location }: ExternalLocation, tensor: string): string {
  const path = join(folder, location);
  let real: string;
  let isFile: boolean;
  try {
    real = realpathSync(path);
    isFile = statSync(real).isFile();
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (!isFile)
    throw new MeshError(
      'INVALID_MODEL',
      `the data of tensor "${tensor}" is said to be in "${location}", which is not a file; export the model again`,
    );
  if (real.startsWith(join(realpathSync(folder), sep))) return real;
  throw new MeshError(
    'INVALID_MODEL',
    `the data of tensor "${tensor}" is said to be in "${location}", which is a link out of the model's folder: put the file itself beside the model`,
  );
}

async function* filePieces(path: string, { offset, length }: ExternalLocation): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    for (let done = 0; done < length;) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, length - done));
      const { bytesRead } = await file.read(piece, 0, piece.byteLength, offset + done);
      if (bytesRead === 0) throw unreadable(path, 'it ends too early');
      yield piece.subarray(0, bytesRead);
      done += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** For constants of a few kilobytes at most, which decoding needs at once. */
function readSmall(path: string, { offset, length }: ExternalLocation): Uint8Array {
  try {
    const file = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}
