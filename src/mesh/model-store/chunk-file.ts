/**
 * The weights of one model on disk, as far as they are here: a sparse file of the blob's full size, and a bitmap of the
 * chunks it holds. A chunk counts only once its digest was right. What an earlier process left is checked again when it
 * is first needed, since kernels map the file and look at no digest.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { chunkRange } from '../../../models/chunks.ts';
import { sha256, type ModelManifest } from '../../../models/manifest.ts';
import { MeshError } from '../../core/errors.ts';
import { bitmap, bitmapBytes, bitIndices, clearBit, hasBit, setBit } from '../../core/placement/bitmap.ts';
import { assertNotAborted } from './cancellation.ts';
import { onDisk, replaceFile, storageError } from './storage.ts';

export const WEIGHTS_FILE = 'weights.bin';
export const BITMAP_FILE = 'weights.have';

type Blob = ModelManifest['blob'];

export class ChunkFile {
  /** Absolute path of the sparse file. */
  readonly path: string;
  /** Told of chunks that the disk has damaged. Replaced by the owner. */
  onDamaged: (error: MeshError) => void = () => undefined;
  readonly #blob: Blob;
  readonly #file: FileHandle;
  readonly #bitmapPath: string;
  readonly #held: Uint8Array;
  /** Chunks whose digest this process has seen to be right. */
  readonly #checked: Uint8Array;
  /** Sum of the lengths of the chunks held. */
  #heldBytes: number;
  #isDirty = false;
  #saving: Promise<void> | null = null;

  private constructor(folder: string, blob: Blob, file: FileHandle, held: Uint8Array) {
    this.path = join(folder, WEIGHTS_FILE);
    this.#bitmapPath = join(folder, BITMAP_FILE);
    this.#blob = blob;
    this.#file = file;
    this.#held = held;
    const count = blob.chunkDigests.length;
    this.#checked = bitmap(count);
    this.#heldBytes = bitIndices(held, count).reduce(
      (sum, index) => sum + chunkRange(blob.byteLength, index).length,
      0,
    );
  }

  /** Opens what is in `folder`; without a usable bitmap no chunk counts. @throws MeshError STORAGE_FAILED. */
  static async open(folder: string, blob: Blob): Promise<ChunkFile> {
    return onDisk(`open the weights in ${folder}`, async () => {
      const count = blob.chunkDigests.length;
      const saved = await readFile(join(folder, BITMAP_FILE)).catch(() => new Uint8Array());
      const file = await open(join(folder, WEIGHTS_FILE), 'r+');
      const { size } = await file.stat();
      const isUsable = saved.byteLength === bitmapBytes(count) && size === blob.byteLength;
      if (size !== blob.byteLength) await file.truncate(blob.byteLength);
      return new ChunkFile(folder, blob, file, isUsable ? Uint8Array.from(saved) : bitmap(count));
    });
  }

  /** A copy of the bitmap of the chunks held. */
  have(): Uint8Array {
    return this.#held.slice();
  }

  has(index: number): boolean {
    return hasBit(this.#held, index);
  }

  heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Those of `indices` that are not here, or not whole; the rest may be read from the file without looking further.
   * @throws MeshError STORAGE_FAILED, CANCELLED.
   */
  async missing(indices: readonly number[], signal: AbortSignal): Promise<number[]> {
    const missing: number[] = [];
    for (const index of indices) {
      assertNotAborted(signal);
      const isHere = this.has(index) && (hasBit(this.#checked, index) || (await this.read(index)) !== null);
      if (!isHere) missing.push(index);
    }
    return missing;
  }

  /** A chunk, checked; null when it is not here. One that the disk has damaged is dropped, and is then not here. */
  async read(index: number): Promise<Uint8Array | null> {
    const { offset, length } = chunkRange(this.#blob.byteLength, index);
    if (!this.has(index)) return null;
    const bytes = new Uint8Array(length);
    const { bytesRead } = await onDisk(`read ${this.path}`, () => this.#file.read(bytes, 0, length, offset));
    if (bytesRead === length && this.verifies(index, bytes)) {
      setBit(this.#checked, index);
      return bytes;
    }
    if (this.has(index)) this.#heldBytes -= length;
    clearBit(this.#held, index);
    clearBit(this.#checked, index);
    this.#save();
    const message = `chunk ${index} of ${this.path} is damaged and will be fetched again: check the disk`;
    this.onDamaged(new MeshError('STORAGE_FAILED', message));
    return null;
  }

  /** Whether `bytes` are what the manifest says chunk `index` is. */
  verifies(index: number, bytes: Uint8Array): boolean {
    return bytes.byteLength <= this.#blob.chunkBytes && sha256(bytes) === this.#blob.chunkDigests[index];
  }

  /**
   * Stores a chunk; it counts at once, and after a restart as soon as `flush` or the saving that starts here is through.
   * @throws MeshError INVALID_MESSAGE when the bytes are not those of the chunk, STORAGE_FAILED.
   */
  async write(index: number, bytes: Uint8Array): Promise<void> {
    const { offset, length } = chunkRange(this.#blob.byteLength, index);
    if (!this.verifies(index, bytes)) {
      throw new MeshError('INVALID_MESSAGE', `the bytes of chunk ${index} have another digest than the model names`);
    }
    if (this.has(index) && hasBit(this.#checked, index)) return;
    await onDisk(`write ${this.path}`, async () => {
      for (let done = 0; done < length;) {
        done += (await this.#file.write(bytes, done, length - done, offset + done)).bytesWritten;
      }
    });
    if (!this.has(index)) this.#heldBytes += length;
    setBit(this.#held, index);
    setBit(this.#checked, index);
    this.#save();
  }

  /** Returns when the disk has every chunk that counts, and the bitmap. @throws MeshError STORAGE_FAILED. */
  async flush(): Promise<void> {
    while (this.#isDirty || this.#saving !== null) await this.#saveSoon();
  }

  /** Flushes and closes. Further calls fail. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  #save(): void {
    this.#isDirty = true;
    // Whoever has to know calls `flush`; chunks that are not saved are fetched again after a restart.
    this.#saveSoon().catch(() => undefined);
  }

  /** Many writes share one trip to the disk: while one is under way, the next ones wait for it together. */
  #saveSoon(): Promise<void> {
    this.#saving ??= this.#saveWhileDirty().finally(() => {
      this.#saving = null;
    });
    return this.#saving;
  }

  async #saveWhileDirty(): Promise<void> {
    try {
      while (this.#isDirty) {
        this.#isDirty = false;
        const held = this.have();
        await this.#file.datasync();
        await replaceFile(this.#bitmapPath, held);
      }
    } catch (error) {
      this.#isDirty = true;
      throw storageError(error, `write ${this.#bitmapPath}`);
    }
  }
}
