/** Names of element types in the Open Inference Protocol, and what JSON can carry of each. */
import type { DataType } from '../../core/tensor/data-type.ts';

export const DATATYPES = {
  float32: 'FP32',
  float16: 'FP16',
  float64: 'FP64',
  int8: 'INT8',
  uint8: 'UINT8',
  int16: 'INT16',
  uint16: 'UINT16',
  int32: 'INT32',
  uint32: 'UINT32',
  int64: 'INT64',
  uint64: 'UINT64',
  bool: 'BOOL',
  bfloat16: 'BF16',
  string: 'BYTES',
} as const satisfies Record<DataType, string>;

/** Integers that a JavaScript number carries exactly, by type. */
const INTEGER_RANGES: Readonly<Partial<Record<DataType, readonly [number, number]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32_768, 32_767],
  uint16: [0, 65_535],
  int32: [-2_147_483_648, 2_147_483_647],
  uint32: [0, 4_294_967_295],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

/** Types that the protocol carries as bytes only. */
export const BINARY_ONLY: readonly DataType[] = ['float16', 'bfloat16'];

export const typeOf = (datatype: string): DataType | undefined =>
  (Object.keys(DATATYPES) as DataType[]).find((candidate) => DATATYPES[candidate] === datatype);

/** Whether all are numbers that the type has. */
export function isInRange(type: DataType, values: readonly number[]): boolean {
  const range = INTEGER_RANGES[type];
  if (range === undefined) return true;
  const [least, most] = range;
  return values.every((value) => Number.isInteger(value) && value >= least && value <= most);
}
