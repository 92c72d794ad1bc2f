/** The table of operators that declare themselves. Whatever is missing here runs whole. */
import { concat } from './concat.ts';
import { convTranspose } from './conv-transpose.ts';
import { conv } from './conv.ts';
import { cast, ofType, sameType } from './elementwise.ts';
import { gemm, matMul } from './linear.ts';
import { batchNormalization, instanceNormalization, layerNormalization, lrn, softmax } from './normalization.ts';
import { averagePool, maxPool } from './pool.ts';
import { resize, split, transpose } from './rearrange.ts';
import { argReduce, globalPool, reduce } from './reduce.ts';
import { flatten, reshape, squeeze, unsqueeze } from './reshape.ts';
import type { OpRule } from './rule.ts';
import type { Node } from '../graph/graph.ts';

const SAME_TYPE = [
  ...['Identity', 'Dropout', 'Relu', 'LeakyRelu', 'PRelu', 'Elu', 'Selu', 'Celu', 'Gelu', 'Mish', 'ThresholdedRelu'],
  ...['Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Softplus', 'Softsign', 'Erf', 'Clip', 'Shrink'],
  ...['Abs', 'Neg', 'Sign', 'Ceil', 'Floor', 'Round', 'Reciprocal', 'Sqrt', 'Exp', 'Log'],
  ...['Sin', 'Cos', 'Tan', 'Asin', 'Acos', 'Atan', 'Sinh', 'Cosh', 'Asinh', 'Acosh', 'Atanh'],
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Mod', 'Min', 'Max', 'Mean', 'Sum', 'And', 'Or', 'Xor', 'Not'],
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
  ...each(['MaxPool', 'LpPool'], maxPool),
  ...each(['Softmax', 'LogSoftmax', 'Hardmax'], softmax),
  ...each(['Resize', 'Upsample'], resize),
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Cast: cast,
  Concat: concat,
  Conv: conv,
  ConvTranspose: convTranspose,
  Flatten: flatten,
  Gemm: gemm,
  InstanceNormalization: instanceNormalization,
  LRN: lrn,
  LayerNormalization: layerNormalization,
  MatMul: matMul,
  Reshape: reshape,
  Split: split,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Where: sameType(1),
};

/** The rule of a node's operator, or undefined where the operator must run whole. */
export const ruleOf = (node: Node): OpRule | undefined =>
  node.domain === '' || node.domain === 'ai.onnx' ? RULES[node.op] : undefined;

/** Names of all operators that can be cut along at least some axis. */
export const declaredOperators = (): string[] => Object.keys(RULES).sort();
