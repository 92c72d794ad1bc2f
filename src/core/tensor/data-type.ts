/** Element types of tensors, by their ONNX names, with the size of one element in bytes (0: not of fixed size). */
export const ELEMENT_BYTES = {
  float32: 4,
  float16: 2,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
  bfloat16: 2,
  string: 0,
} as const;

export type DataType = keyof typeof ELEMENT_BYTES;

export const isDataType = (text: string): text is DataType => Object.hasOwn(ELEMENT_BYTES, text);
