/**
 * A weight blob is moved, checked and stored in chunks of one size (the last one may be shorter). Everything here is the
 * arithmetic between byte ranges of the blob and indices of its chunks.
 */
import { MeshError } from '../src/core/errors.ts';

/** 1 MiB: some 9 ms on Gigabit Ethernet, so that a chunk lost with its peer costs little and one digest covers much. */
export const CHUNK_BYTES = 1_048_576;

/** Bytes `[offset, offset + length)` of a weight blob. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export const chunkCount = (blobBytes: number): number => Math.ceil(blobBytes / CHUNK_BYTES);

/** Where chunk `index` lies in a blob of `blobBytes`. @throws MeshError INVALID_ARGUMENT when there is no such chunk. */
export function chunkRange(blobBytes: number, index: number): ByteRange {
  if (!Number.isInteger(index) || index < 0 || index >= chunkCount(blobBytes)) {
    throw new MeshError('INVALID_ARGUMENT', `a blob of ${blobBytes} bytes has no chunk ${index}`);
  }
  const offset = index * CHUNK_BYTES;
  return { offset, length: Math.min(CHUNK_BYTES, blobBytes - offset) };
}

/**
 * Indices of the chunks that cover `ranges`, ascending, each once.
 * @throws MeshError INVALID_ARGUMENT for a range that leaves the blob.
 */
export function chunksOf(blobBytes: number, ranges: readonly ByteRange[]): number[] {
  const indices = new Set<number>();
  for (const { offset, length } of ranges) {
    const isInside = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!isInside || offset + length > blobBytes) {
      throw new MeshError('INVALID_ARGUMENT', `bytes ${offset}+${length} are outside a blob of ${blobBytes} bytes`);
    }
    if (length === 0) continue;
    const last = Math.floor((offset + length - 1) / CHUNK_BYTES);
    for (let index = Math.floor(offset / CHUNK_BYTES); index <= last; index++) indices.add(index);
  }
  return [...indices].sort((a, b) => a - b);
}
