/** Elementwise operators with broadcasting, normalisations, softmax and reductions. */
import { fromNumbers, type Shape } from '../../../src/core/tensor/tensor.ts';
import { wholeNumbers, type Draft } from '../draft.ts';
import { float, int, ints, isFloat, likes, sameShape, type Attributes, type Maker } from './maker.ts';

const UNARY: Readonly<Record<string, readonly [number, Attributes?]>> = {
  Relu: [6],
  LeakyRelu: [6, { alpha: float(0.1) }],
  Elu: [6],
  Selu: [6],
  Sigmoid: [6],
  HardSigmoid: [6, { alpha: float(0.3) }],
  HardSwish: [14],
  Tanh: [6],
  Softplus: [1],
  Softsign: [1],
  Erf: [9],
  Abs: [6],
  Neg: [6],
  Ceil: [6],
  Floor: [6],
  Round: [11],
  Sign: [9],
  Celu: [12],
  Asinh: [9],
  Sin: [7],
  Cos: [7],
  Atan: [7],
  Identity: [1],
  Gelu: [20],
  Mish: [18],
  ThresholdedRelu: [10],
  Shrink: [9, { lambd: float(0.2), bias: float(0.1) }],
  Dropout: [7],
};

const unary: Maker = (draft, value) => {
  if (!isFloat(value)) return false;
  const names = Object.keys(UNARY).filter((name) => UNARY[name]![0] <= draft.opset);
  const name = draft.random.pick(names);
  return draft.add(name, [value], UNARY[name]![1] ?? {});
};

const clip: Maker = (draft, value) => {
  if (!isFloat(value)) return false;
  if (draft.opset < 11) return draft.add('Clip', [value], { min: float(-0.5), max: float(0.8) });
  return draft.add('Clip', [
    value,
    draft.scalar('float32', -0.5),
    draft.random.chance(0.5) ? draft.scalar('float32', 0.8) : '',
  ]);
};

/** A shape that broadcasts to `shape`. */
function broadcastable(draft: Draft, shape: Shape): Shape {
  const dropped = draft.random.chance(0.5) ? draft.random.integer(0, shape.length) : 0;
  return shape.slice(dropped).map((extent) => (draft.random.chance(0.4) ? 1 : extent));
}

const BINARY = ['Add', 'Sub', 'Mul', 'Max', 'Min', 'Sum', 'Mean'];

const binaryConstant: Maker = (draft, value) =>
  isFloat(value) && draft.add(draft.random.pick(BINARY), [value, draft.numbers(broadcastable(draft, value.shape))]);

const divide: Maker = (draft, value) =>
  isFloat(value) && draft.add('Div', [value, draft.numbers(broadcastable(draft, value.shape), 0.5, 2)]);

/** Two values of the graph: the residuals, the long skips and the gates of real networks. */
const binary: Maker = (draft, value) => {
  if (!isFloat(value)) return false;
  const others = likes(draft, value).filter((other) =>
    other.shape.every((extent, axis) => extent === value.shape[axis] || extent === 1 || value.shape[axis] === 1),
  );
  return draft.add(draft.random.pick(BINARY), [value, draft.random.pick(others)]);
};

const prelu: Maker = (draft, value) =>
  isFloat(value) && draft.add('PRelu', [value, draft.numbers(broadcastable(draft, value.shape), 0, 0.5)]);

const where: Maker = (draft, value) => {
  if (!isFloat(value) || draft.opset < 9) return false;
  const others = likes(draft, value).filter((other) => sameShape(other, value));
  if (!draft.add(draft.random.pick(['Greater', 'Less']), [value, draft.numbers(broadcastable(draft, value.shape))])) {
    return false;
  }
  return draft.add('Where', [draft.values.at(-1)!, value, draft.random.pick(others)]);
};

const cast: Maker = (draft, value) => {
  if (!isFloat(value)) return false;
  if (!draft.add('Cast', [value], { to: int(draft.random.pick([6, 7, 10])) })) return false;
  return draft.add('Cast', [draft.values.at(-1)!], { to: int(1) });
};

/** From operator set 21 on, the runtime gives wrong element types to pairs of these that it moves behind a Slice. */
const quantize: Maker = (draft, value) => {
  if (!isFloat(value) || draft.opset < 10 || draft.opset >= 21 || draft.isQuantized) return false;
  const { random } = draft;
  const isPerAxis = draft.opset >= 13 && value.shape.length >= 2 && random.chance(0.5);
  const extent = value.shape[1] ?? 1;
  const type = random.pick(['uint8', 'int8'] as const);
  const scale = isPerAxis ? draft.numbers([extent], 0.05, 0.2) : draft.scalar('float32', 0.1);
  const zero = draft.constant(wholeNumbers(type, isPerAxis ? [extent] : [], random.integer(0, 2 ** 30), 0, 40));
  const attributes = isPerAxis ? { axis: int(random.pick([1, 1 - value.shape.length])) } : {};
  if (!draft.add('QuantizeLinear', [value, scale, zero], attributes)) return false;
  return draft.add('DequantizeLinear', [draft.values.at(-1)!, scale, zero], attributes);
};

const batchNormalization: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length < 2) return false;
  const channels = [value.shape[1]!];
  const rest = [draft.numbers(channels), draft.numbers(channels), draft.numbers(channels, 0.5, 1.5)];
  return draft.add('BatchNormalization', [value, draft.numbers(channels), ...rest]);
};

const instanceNormalization: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length < 3) return false;
  const channels = [value.shape[1]!];
  return draft.add('InstanceNormalization', [value, draft.numbers(channels), draft.numbers(channels)], {
    epsilon: float(0.1),
  });
};

const groupNormalization: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length < 3 || draft.opset < 21) return false;
  const channels = value.shape[1]!;
  const groups = draft.random.pick([1, 2, 3, channels].filter((own) => channels % own === 0));
  const inputs = [value, draft.numbers([channels]), draft.numbers([channels])];
  return draft.add('GroupNormalization', inputs, { num_groups: int(groups), epsilon: float(0.1) });
};

const layerNormalization: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length < 2 || draft.opset < 17) return false;
  const axis = draft.random.integer(1, value.shape.length - 1);
  const shape = value.shape.slice(axis);
  const attributes = { axis: int(draft.random.pick([axis, axis - value.shape.length])), epsilon: float(0.1) };
  return draft.add('LayerNormalization', [value, draft.numbers(shape), draft.numbers(shape)], attributes);
};

const softmax: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length < 2) return false;
  const axis = draft.random.integer(0, value.shape.length - 1);
  return draft.add(draft.random.pick(['Softmax', 'LogSoftmax', 'Hardmax']), [value], { axis: int(axis) });
};

const REDUCTIONS = [
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceSum',
  'ReduceSumSquare',
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSumExp',
];

const reduce: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length < 2) return false;
  const { random } = draft;
  const op = random.pick(REDUCTIONS);
  const axes = value.shape.map((_, axis) => axis).filter(() => random.chance(0.4));
  const keep = { keepdims: int(random.chance(0.7) ? 1 : 0) };
  const isInput = draft.opset >= (op === 'ReduceSum' ? 13 : 18);
  if (axes.length === 0) return draft.add(op, [value], keep);
  if (isInput) return draft.add(op, [value, draft.integers(...axes)], keep);
  return draft.add(op, [value], { ...keep, axes: ints(...axes) });
};

const argReduce: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length < 2) return false;
  const axis = draft.random.integer(0, value.shape.length - 1);
  const attributes = { axis: int(axis), keepdims: int(draft.random.integer(0, 1)) };
  return draft.add(draft.random.pick(['ArgMax', 'ArgMin']), [value], attributes);
};

const cumulativeSum: Maker = (draft, value) => {
  if (!isFloat(value) || draft.opset < 11 || value.shape.length === 0) return false;
  const axis = draft.constant(fromNumbers('int64', [], [draft.random.integer(0, value.shape.length - 1)]));
  return draft.add('CumSum', [value, axis], { exclusive: int(draft.random.integer(0, 1)) });
};

/** What has no rule: it runs once, and what follows is cut all the same. */
const unknown: Maker = (draft, value) => {
  if (!isFloat(value)) return false;
  draft.addWhole('QuickGelu', [value], { alpha: float(1.702) }, value, 'com.microsoft');
  return true;
};

export const POINTWISE: Readonly<Record<string, Maker>> = {
  unary,
  clip,
  binaryConstant,
  divide,
  binary,
  prelu,
  where,
  cast,
  quantize,
  batchNormalization,
  instanceNormalization,
  groupNormalization,
  layerNormalization,
  softmax,
  reduce,
  argReduce,
  cumulativeSum,
  unknown,
};
