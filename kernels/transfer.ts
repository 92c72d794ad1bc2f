/** Tensors on their way to another thread: buffers move rather than being copied, wherever a tensor has one to itself. */
import type { Tensor } from '../src/core/tensor/tensor.ts';

export interface Transfer {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly buffers: readonly ArrayBuffer[];
}

/** The same tensors over buffers that can be transferred; views of larger or shared buffers are copied first. */
export function toTransfer(tensors: ReadonlyMap<string, Tensor>): Transfer {
  const owned = new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, bytes: ownBytes(tensor.bytes) }]));
  return { tensors: owned, buffers: [...new Set([...owned.values()].map(({ bytes }) => bytes.buffer))] };
}

/** `slice` of a Buffer would be a view of Node's pool, hence `from`. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  return isOwn ? new Uint8Array(buffer) : Uint8Array.from(bytes);
}

/**
 * Gives the memory of tensors back at once, without waiting for the garbage collector: what is allocated next then finds
 * pages that are mapped already. New pages for every output made runs up to four times slower.
 */
export function discard(tensors: ReadonlyMap<string, Tensor>): void {
  for (const { bytes } of tensors.values()) {
    const { buffer } = bytes;
    if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
  }
}

/** The same in memory of its own each: what came in one message lies in it one after the other, at any offset. */
export const inOwnMemory = (tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map(Array.from(tensors, ([name, tensor]) => [name, { ...tensor, bytes: new Uint8Array(tensor.bytes) }]));
