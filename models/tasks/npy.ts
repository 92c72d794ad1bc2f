/**
 * The .npy file format of NumPy, versions 1 to 3 (NumPy enhancement proposal 1): one array with its type and shape.
 * Arrays of numbers and booleans in C order, of either byte order; nothing that would need Python to read.
 */
import { MeshError } from '../../src/core/errors.ts';
import { ELEMENT_BYTES, type DataType } from '../../src/core/tensor/data-type.ts';
import { elementCount, type Tensor } from '../../src/core/tensor/tensor.ts';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** NumPy itself refuses longer headers: they are parsed as text. */
const MAX_HEADER_BYTES = 10_000;
const MAX_RANK = 32;
/** The data begins at a multiple of it. */
const HEADER_ALIGNMENT = 64;

const CODES: Readonly<Record<string, DataType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
};

export const isNpy = (bytes: Uint8Array): boolean => MAGIC.every((byte, index) => bytes[index] === byte);

const invalid = (message: string): MeshError => new MeshError('INVALID_INPUT', `the .npy file ${message}`);

/** @throws MeshError INVALID_INPUT naming what is wrong and, where there is one, the NumPy call that mends it. */
export function readNpy(bytes: Uint8Array): Tensor {
  const { header, dataOffset } = readHeader(bytes);
  const { type, isBigEndian } = readType(header);
  if (/'fortran_order'\s*:\s*True/.test(header)) {
    throw invalid('is in Fortran order: save numpy.ascontiguousarray(array) instead');
  }
  const shape = readShape(header);
  const expected = elementCount(shape) * ELEMENT_BYTES[type];
  const data = bytes.subarray(dataOffset);
  if (expected !== data.byteLength) {
    throw invalid(`has ${data.byteLength} bytes of data where its shape [${shape.join(', ')}] needs ${expected}`);
  }
  return { type, shape, bytes: isBigEndian ? swapped(data, ELEMENT_BYTES[type]) : data };
}

function readHeader(bytes: Uint8Array): { readonly header: string; readonly dataOffset: number } {
  if (!isNpy(bytes) || bytes.byteLength < 12) throw invalid('does not begin as one');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) throw invalid(`has version ${version}, known are 1, 2 and 3`);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES) throw invalid(`has a header of ${length} bytes, allowed are ${MAX_HEADER_BYTES}`);
  if (start + length > bytes.byteLength) throw invalid('ends within its header');
  return {
    header: new TextDecoder().decode(bytes.subarray(start, start + length)),
    dataOffset: start + length,
  };
}

function readType(header: string): { readonly type: DataType; readonly isBigEndian: boolean } {
  const match = /'descr'\s*:\s*'([<>|=])([a-zA-Z]\d+)'/.exec(header);
  const type = match === null ? undefined : CODES[match[2]!];
  if (match === null || type === undefined) {
    const shown = /'descr'\s*:\s*([^,}]{1,40})/.exec(header)?.[1] ?? 'nothing';
    throw invalid(
      `holds elements of type ${shown}: only plain numbers and booleans can be read, use array.astype(...)`,
    );
  }
  return { type, isBigEndian: match[1] === '>' && ELEMENT_BYTES[type] > 1 };
}

function readShape(header: string): number[] {
  const match = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header);
  if (match === null) throw invalid('names no shape');
  const shape = match[1]!
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(Number);
  if (shape.length > MAX_RANK || !shape.every(Number.isSafeInteger) || !Number.isSafeInteger(elementCount(shape))) {
    throw invalid('has a shape too large to be true');
  }
  return shape;
}

function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const result = bytes.slice();
  for (let start = 0; start < result.length; start += size) result.subarray(start, start + size).reverse();
  return result;
}

/** Version 1, C order, little-endian. @throws MeshError INVALID_INPUT for types NumPy has no word for. */
export function writeNpy(tensor: Tensor): Uint8Array {
  const code = Object.entries(CODES).find(([, type]) => type === tensor.type)?.[0];
  if (code === undefined) {
    throw new MeshError('INVALID_INPUT', `a tensor of type ${tensor.type} cannot be written as .npy`);
  }
  const order = ELEMENT_BYTES[tensor.type] === 1 ? '|' : '<';
  const shape = tensor.shape.length === 1 ? `${tensor.shape[0]!},` : tensor.shape.join(', ');
  const text = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${shape}), }`;
  const total = Math.ceil((10 + text.length + 1) / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  const result = new Uint8Array(total + tensor.bytes.byteLength);
  result.set(MAGIC);
  result[6] = 1;
  new DataView(result.buffer).setUint16(8, total - 10, true);
  result.set(new TextEncoder().encode(`${text.padEnd(total - 11)}\n`), 10);
  result.set(tensor.bytes, total);
  return result;
}
