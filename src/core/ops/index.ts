/** The table of operators that declare themselves. Whatever is missing here runs whole. */
import { concat } from './concat.ts';
import { convTranspose } from './conv-transpose.ts';
import { conv, convInteger, qLinearConv } from './conv.ts';
import { cast, castLike, dropout, ofType, sameType } from './elementwise.ts';
import { expand, tile } from './expand.ts';
import { gather, gridSample } from './gather.ts';
import { gemm, matMul, matMulInteger, qLinearMatMul } from './linear.ts';
import * as normalization from './normalization.ts';
import { pad } from './pad.ts';
import { pool } from './pool.ts';
import { dequantizeLinear, quantizeLinear } from './quantize.ts';
import { depthToSpace, spaceToDepth, split, transpose } from './rearrange.ts';
import { argReduce, globalPool, reduce } from './reduce.ts';
import { flatten, reshape, squeeze, unsqueeze } from './reshape.ts';
import { resize } from './resize.ts';
import type { OpRule } from './rule.ts';
import { slice } from './slice.ts';
import * as uncut from './uncut.ts';
import type { Node } from '../graph/graph.ts';

const SAME_TYPE = [
  ...['Identity', 'Relu', 'LeakyRelu', 'PRelu', 'Elu', 'Selu', 'Celu', 'Gelu', 'Mish', 'ThresholdedRelu'],
  ...['Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Softplus', 'Softsign', 'Erf', 'Clip', 'Shrink'],
  ...['Abs', 'Neg', 'Sign', 'Ceil', 'Floor', 'Round', 'Reciprocal', 'Sqrt', 'Exp', 'Log'],
  ...['Sin', 'Cos', 'Tan', 'Asin', 'Acos', 'Atan', 'Sinh', 'Cosh', 'Asinh', 'Acosh', 'Atanh'],
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Mod', 'Min', 'Max', 'Mean', 'Sum', 'And', 'Or', 'Xor', 'Not'],
  ...['BitShift', 'BitwiseAnd', 'BitwiseOr', 'BitwiseXor', 'BitwiseNot', 'Swish'],
] as const;
const BOOLEAN = ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'IsNaN', 'IsInf'] as const;
const REDUCTIONS = [
  ...['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceSum', 'ReduceProd', 'ReduceSumSquare', 'ReduceL1', 'ReduceL2'],
  ...['ReduceLogSum', 'ReduceLogSumExp'],
] as const;

const each = (names: readonly string[], rule: OpRule): Record<string, OpRule> =>
  Object.fromEntries(names.map((name) => [name, rule]));

const RULES: Readonly<Record<string, OpRule>> = {
  ...each(SAME_TYPE, sameType()),
  ...each(BOOLEAN, ofType('bool')),
  ...each(REDUCTIONS, reduce),
  ...each(['ArgMax', 'ArgMin'], argReduce),
  ...each(['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'], globalPool),
  ...each(['MaxPool', 'AveragePool', 'LpPool'], pool),
  ...each(['Softmax', 'LogSoftmax', 'Hardmax'], normalization.softmax),
  ...each(['Resize', 'Upsample'], resize),
  ...each(['Scatter', 'ScatterElements', 'ScatterND', 'Trilu', 'ReverseSequence'], uncut.likeInput()),
  ...each(['RNN', 'GRU', 'LSTM'], uncut.recurrent),
  BatchNormalization: normalization.batchNormalization,
  Cast: cast,
  CastLike: castLike,
  Concat: concat,
  ConstantOfShape: uncut.constantOfShape,
  Conv: conv,
  ConvInteger: convInteger,
  ConvTranspose: convTranspose,
  CumSum: normalization.cumulativeSum,
  DepthToSpace: depthToSpace,
  DequantizeLinear: dequantizeLinear,
  Dropout: dropout,
  DynamicQuantizeLinear: uncut.dynamicQuantizeLinear,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  GatherElements: uncut.likeInput(1),
  GatherND: uncut.gatherNd,
  Gemm: gemm,
  GridSample: gridSample,
  GroupNormalization: normalization.groupNormalization,
  InstanceNormalization: normalization.instanceNormalization,
  LRN: normalization.lrn,
  LayerNormalization: normalization.layerNormalization,
  MatMul: matMul,
  MatMulInteger: matMulInteger,
  OneHot: uncut.oneHot,
  Pad: pad,
  QLinearConv: qLinearConv,
  QLinearMatMul: qLinearMatMul,
  QuantizeLinear: quantizeLinear,
  Range: uncut.range,
  Reshape: reshape,
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  TopK: uncut.topK,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Where: sameType(1),
};

/** The rule of a node's operator, or undefined where the operator must run whole. */
export const ruleOf = (node: Node): OpRule | undefined =>
  node.domain === '' && Object.hasOwn(RULES, node.op) ? RULES[node.op] : undefined;

/** Names of all operators that declare themselves. */
export const declaredOperators = (): string[] => Object.keys(RULES).sort();
