/** Every operator the reference kernel knows, by name; ONNX's own and those of ONNX Runtime share the table. */
import { cast, constant } from './constants.ts';
import { conv, convTranspose, normalizedConvolution } from './convolution.ts';
import { ELEMENTWISE } from './elementwise.ts';
import { gather } from './gathering.ts';
import { batchNormalization, lrn, softmax } from './normalization.ts';
import type { Operator } from './operator.ts';
import { pad } from './padding.ts';
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from './pooling.ts';
import { gemm, matMul } from './products.ts';
import { reduceMax, reduceMean, reduceSum } from './reduction.ts';
import { resize, upsample } from './resizing.ts';
import { concat, flatten, reshape, squeeze, transpose, unsqueeze } from './shaping.ts';

export const OPERATORS: Readonly<Record<string, Operator>> = {
  ...ELEMENTWISE,
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Cast: cast,
  Concat: concat,
  Constant: constant,
  Conv: conv,
  ConvTranspose: convTranspose,
  Flatten: flatten,
  Gather: gather,
  Gemm: gemm,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  LRN: lrn,
  MatMul: matMul,
  MaxPool: maxPool,
  Pad: pad,
  ReduceMax: reduceMax,
  ReduceMean: reduceMean,
  ReduceSum: reduceSum,
  Reshape: reshape,
  Resize: resize,
  Softmax: softmax,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Upsample: upsample,
  WinogradConv: normalizedConvolution,
};
