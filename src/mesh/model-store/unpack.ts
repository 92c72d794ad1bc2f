/** A model from outside, written into a folder: graph and weights as two files, with the digests a manifest needs. */
import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { CHUNK_BYTES } from '../../../models/chunks.ts';
import { MANIFEST_LIMITS, sha256, type ModelManifest } from '../../../models/manifest.ts';
import { decodeModel } from '../../../models/onnx/decode.ts';
import { encodeGraph } from '../../../models/onnx/encode.ts';
import type { ModelPackage } from '../../../models/package.ts';
import { MeshError } from '../../core/errors.ts';
import { byteLength } from '../../core/tensor/tensor.ts';
import { WEIGHTS_FILE } from './chunk-file.ts';
import { assertNotAborted } from './cancellation.ts';
import { onDisk, writeSynced } from './storage.ts';

export const GRAPH_FILE = 'graph.onnx';

export type OnImportProgress = (completedBytes: number, totalBytes: number) => void;
/** Told how large the two files will be. */
export type OnSized = (graphBytes: number, weightBytes: number) => Promise<void>;

/**
 * Writes `graph.onnx` and `weights.bin`. The event loop runs between any two pieces of weights.
 * @throws MeshError INVALID_MODEL, STORAGE_FAILED, CANCELLED; files written so far remain.
 */
export async function unpack(
  folder: string,
  source: ModelPackage,
  signal: AbortSignal,
  { onProgress, onSized }: { readonly onProgress: OnImportProgress; readonly onSized: OnSized },
): Promise<Pick<ModelManifest, 'graph' | 'blob'>> {
  const graphBytes = encodeGraph(source.graph, WEIGHTS_FILE);
  // The offsets that count are those every peer will find in the file.
  const { graph, weightBlobBytes } = decodeModel(graphBytes);
  assertLimit('graph', graphBytes.byteLength, MANIFEST_LIMITS.graphBytes);
  assertLimit('weights', weightBlobBytes, MANIFEST_LIMITS.blobBytes);
  await onSized(graphBytes.byteLength, weightBlobBytes);

  const path = join(folder, WEIGHTS_FILE);
  const file = await onDisk(`create ${path}`, () => open(path, 'w'));
  const digester = chunkDigester();
  let end = 0;
  try {
    for (const [name, { offset, type, shape }] of graph.weights) {
      digester.add(new Uint8Array(offset - end));
      end = offset;
      for await (const piece of source.weightPieces(name)) {
        assertNotAborted(signal);
        digester.add(piece);
        await onDisk(`write ${path}`, () => writeAll(file, piece, end));
        end += piece.byteLength;
        onProgress(end, weightBlobBytes);
      }
      if (end !== offset + byteLength(type, shape)) {
        throw new MeshError(
          'INVALID_MODEL',
          `the weight "${name}" has not the bytes its shape asks for: export it again`,
        );
      }
    }
    await onDisk(`write ${path}`, () => file.sync());
  } finally {
    await file.close();
  }
  await onDisk(`write ${folder}`, () => writeSynced(join(folder, GRAPH_FILE), graphBytes));
  return {
    graph: { digest: sha256(graphBytes), byteLength: graphBytes.byteLength },
    blob: { byteLength: end, chunkBytes: CHUNK_BYTES, chunkDigests: digester.finish() },
  };
}

function assertLimit(what: string, bytes: number, limit: number): void {
  if (bytes > limit) {
    throw new MeshError('INVALID_MODEL', `the ${what} of a model may have ${limit} bytes, this one has ${bytes}`);
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done);
    done += bytesWritten;
  }
}

/** Digests of consecutive chunks, from bytes that come in pieces of any size. */
function chunkDigester(): { add(bytes: Uint8Array): void; finish(): string[] } {
  const digests: string[] = [];
  let hash: Hash | null = null;
  let filled = 0;
  const close = (): void => {
    if (hash !== null) digests.push(hash.digest('hex'));
    hash = null;
    filled = 0;
  };
  return {
    add: (bytes) => {
      for (let done = 0; done < bytes.byteLength;) {
        const part = bytes.subarray(done, done + CHUNK_BYTES - filled);
        hash ??= createHash('sha256');
        hash.update(part);
        filled += part.byteLength;
        done += part.byteLength;
        if (filled === CHUNK_BYTES) close();
      }
    },
    finish: () => {
      close();
      return digests;
    },
  };
}
