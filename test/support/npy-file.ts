import { readFile } from 'node:fs/promises';
import { readNpy } from '../../models/tasks/npy.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';

/** An array from a .npy file, over bytes of its own. */
export async function readNpyFile(path: string): Promise<Tensor> {
  const array = readNpy(await readFile(path));
  return { ...array, bytes: new Uint8Array(array.bytes) };
}
