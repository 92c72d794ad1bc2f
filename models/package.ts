/**
 * A model on its way into the store, wherever it comes from: its graph, and the bytes of each of its weights in pieces
 * small enough that nobody else has to wait for one.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MeshError } from '../src/core/errors.ts';
import type { Graph } from '../src/core/graph/graph.ts';
import { decodeModel } from './onnx/decode.ts';
import type { ExternalLocation } from './onnx/external-location.ts';

export interface ModelPackage {
  readonly graph: Graph;
  /** The bytes of one of `graph.weights`, in order, in pieces of at most 1 MiB. */
  weightPieces(name: string): AsyncIterable<Uint8Array>;
}

const PIECE_BYTES = 1_048_576;

/** The network of an ONNX file and of the files beside it that hold its external data. @throws MeshError INVALID_MODEL. */
export async function readPackage(path: string): Promise<ModelPackage> {
  return packageOf(await readModelFile(path), dirname(path));
}

/**
 * The network of an ONNX file in memory, of which the weights stay views.
 * @param folder where its external data is; without one a model that has any is refused.
 * @throws MeshError INVALID_MODEL.
 */
export function packageOf(bytes: Uint8Array, folder?: string): ModelPackage {
  const readExternal = folder === undefined ? {} : { readExternal: readSmall(folder) };
  const model = decodeModel(bytes, readExternal);
  return {
    graph: model.graph,
    weightPieces: (name) => {
      const content = model.weightBytes(name);
      if (content instanceof Uint8Array) return pieces(content);
      if (folder !== undefined) return filePieces(folder, content);
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
    throw unreadable(path, cause);
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

async function* filePieces(folder: string, { location, offset, length }: ExternalLocation): AsyncGenerator<Uint8Array> {
  const path = join(folder, location);
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
const readSmall =
  (folder: string) =>
  ({ location, offset, length }: ExternalLocation): Uint8Array => {
    const path = join(folder, location);
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
  };
