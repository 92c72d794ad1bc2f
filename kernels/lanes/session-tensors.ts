/** Tensors as ONNX Runtime wants them, and back, over the same bytes. */
import type { Tensor as SessionTensor, TensorConstructor } from 'onnxruntime-web';
import { MeshError } from '../../src/core/errors.ts';
import { isDataType, type DataType } from '../../src/core/tensor/data-type.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';

const VIEWS = {
  float32: Float32Array,
  /** The runtime reinterprets the bits. */
  float16: Uint16Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies Partial<Record<DataType, unknown>>;

const hasView = (type: DataType): type is keyof typeof VIEWS => Object.hasOwn(VIEWS, type);

/**
 * `bytes` have to start at a multiple of the element size.
 * @param Tensor the class of the runtime's own package.
 * @throws MeshError KERNEL_FAILED for element types that the runtime does not take as inputs.
 */
export function toSessionTensor(
  Tensor: TensorConstructor,
  name: string,
  { type, shape, bytes }: Tensor,
): SessionTensor {
  if (!hasView(type)) {
    throw new MeshError('KERNEL_FAILED', `input "${name}" is ${type}, which ONNX Runtime does not take as an input`);
  }
  const View = VIEWS[type];
  const elements = new View(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / View.BYTES_PER_ELEMENT);
  if (type !== 'float16') return new Tensor(type, elements as Float32Array, shape);
  // Where there is a Float16Array the library makes one of the elements, which its native part then takes for empty.
  return Object.assign(new Tensor('uint16', elements as Uint16Array, shape), { type });
}

/** @throws MeshError KERNEL_FAILED for element types that are not of fixed size. */
export function fromSessionTensor(name: string, { type, dims, data }: SessionTensor): Tensor {
  if (!isDataType(type) || !ArrayBuffer.isView(data)) {
    throw new MeshError(
      'KERNEL_FAILED',
      `output "${name}" is ${type}, which tilemesh cannot carry; cast it in the model`,
    );
  }
  return { type, shape: dims, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}
