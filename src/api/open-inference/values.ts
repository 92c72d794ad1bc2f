/**
 * What the protocol moves: tensors of numbers, and tensors of byte strings (datatype BYTES). The mesh computes with the
 * former only; the latter are pictures and texts on their way in, and classes on their way out.
 */
import { MeshError } from '../../core/errors.ts';
import { elementCount, type Shape, type Tensor } from '../../core/tensor/tensor.ts';

/** Elements of a BYTES tensor, row-major. */
export interface ByteStrings {
  readonly type: 'string';
  readonly shape: Shape;
  readonly elements: readonly Uint8Array[];
}

export type Value = Tensor | ByteStrings;

export const isByteStrings = (value: Value): value is ByteStrings => 'elements' in value;

/** Each element behind its length, a little-endian unsigned integer of 4 bytes. */
const LENGTH_BYTES = 4;

export function joinElements(elements: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.alloc(elements.reduce((sum, { byteLength }) => sum + LENGTH_BYTES + byteLength, 0));
  let offset = 0;
  for (const element of elements) {
    offset = bytes.writeUInt32LE(element.byteLength, offset);
    bytes.set(element, offset);
    offset += element.byteLength;
  }
  return bytes;
}

/** @throws MeshError INVALID_INPUT when the lengths do not add up, or there are not as many as the shape says. */
export function byteStrings(name: string, shape: Shape, bytes: Uint8Array): ByteStrings {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = elementCount(shape);
  const elements: Uint8Array[] = [];
  let offset = 0;
  while (elements.length < count && offset + LENGTH_BYTES <= bytes.byteLength) {
    const length = view.getUint32(offset, true);
    offset += LENGTH_BYTES;
    if (offset + length > bytes.byteLength) break;
    elements.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  if (elements.length === count && offset === bytes.byteLength) return { type: 'string', shape, elements };
  throw new MeshError(
    'INVALID_INPUT',
    `input "${name}" is not ${count} byte strings, each after its length in 4 bytes (little-endian)`,
  );
}
