/**
 * Constant folding of what exporters compute from shapes: small integer (and float) arithmetic, done once before planning so
 * that the shapes it leads to are known. Anything else is left to the kernel.
 */
import { broadcastShapes, castTarget } from '../ops/elementwise.ts';
import { ruleOf } from '../ops/index.ts';
import { normalizeAxis, type NodeFacts } from '../ops/rule.ts';
import { takenOf } from '../ops/slice.ts';
import type { DataType } from '../tensor/data-type.ts';
import { elementCount, fromInt64, fromNumbers, numberValues, type Shape, type Tensor } from '../tensor/tensor.ts';
import { intAttribute } from './graph.ts';

/** Larger tensors are not shapes, and are not folded. */
const MAX_ELEMENTS = 1024;

/** Values by position; undefined where an optional input is left out. */
type Fold = (facts: NodeFacts, values: readonly (Tensor | undefined)[]) => Tensor | undefined;

/** Element types in which plain numbers compute as the kernel would, and the integers they hold. */
const RANGES: Readonly<Partial<Record<DataType, readonly [number, number]>>> = {
  float32: [-Infinity, Infinity],
  float64: [-Infinity, Infinity],
  bool: [0, 1],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

const isFoldable = (type: DataType): boolean => RANGES[type] !== undefined;
const isReal = (type: DataType): boolean => type.startsWith('float');

/** The result, unless its type cannot hold it exactly. */
function result(type: DataType, shape: Shape, values: readonly number[]): Tensor | undefined {
  const range = RANGES[type];
  if (range === undefined || values.length > MAX_ELEMENTS) return undefined;
  const fits =
    isReal(type) || values.every((value) => Number.isInteger(value) && value >= range[0] && value <= range[1]);
  return fits ? fromNumbers(type, shape, values) : undefined;
}

/** For each element of a broadcast result, the index of the element of an operand of `shape` that it reads. */
function broadcastIndices(shape: Shape, target: Shape): number[] {
  const offset = target.length - shape.length;
  const count = elementCount(target);
  return Array.from({ length: count }, (_, flat) => {
    let rest = flat;
    let index = 0;
    let step = 1;
    for (let axis = target.length - 1; axis >= 0; axis--) {
      const position = rest % target[axis]!;
      rest = Math.floor(rest / target[axis]!);
      const own = shape[axis - offset] ?? 1;
      if (own > 1) index += position * step;
      step *= own;
    }
    return index;
  });
}

/** Elementwise with broadcasting; of the type of the operand at `from`, unless told. */
const elementwise =
  (
    compute: (...operands: number[]) => number,
    options: { readonly from?: number; readonly type?: DataType } = {},
  ): Fold =>
  (_, values) => {
    const operands = values.filter((value) => value !== undefined);
    const shape = broadcastShapes(operands.map((operand) => operand.shape));
    if (shape === undefined || elementCount(shape) > MAX_ELEMENTS) return undefined;
    const type = options.type ?? operands[options.from ?? 0]!.type;
    const columns = operands.map((operand) => {
      const numbers = numberValues(operand);
      return broadcastIndices(operand.shape, shape).map((index) => numbers[index]!);
    });
    const rows = Array.from({ length: elementCount(shape) }, (_unused, row) => columns.map((column) => column[row]!));
    return result(
      type,
      shape,
      rows.map((row) => compute(...row)),
    );
  };

const divide: Fold = (facts, values) =>
  elementwise((a, b) => (isReal(values[0]!.type) ? a / b : Math.trunc(a / b)))(facts, values);

const modulo: Fold = (facts, values) => {
  const isTruncating = intAttribute(facts.node, 'fmod', 0) === 1;
  return elementwise((a, b) => (isTruncating ? a % b : a - Math.floor(a / b) * b))(facts, values);
};

const gather: Fold = (_, [data, indices]) => {
  if (data?.shape.length !== 1 || indices === undefined) return undefined;
  const source = numberValues(data);
  const picked = numberValues(indices).map((index) => source[normalizeAxis(index, source.length)]);
  return picked.every((value) => value !== undefined) ? result(data.type, indices.shape, picked) : undefined;
};

const slice: Fold = (facts, [data]) => {
  const taken = takenOf(facts);
  if (data?.shape.length !== 1 || taken?.length !== 1) return undefined;
  const [{ start, step, count }] = taken as [(typeof taken)[number]];
  const source = numberValues(data);
  return result(
    data.type,
    [count],
    Array.from({ length: count }, (_, index) => source[start + index * step]!),
  );
};

const concat: Fold = (_, values) => {
  if (!values.every((value) => value?.shape.length === 1)) return undefined;
  const joined = values.flatMap((value) => numberValues(value!));
  return result(values[0]!.type, [joined.length], joined);
};

const cast: Fold = (facts, [data]) => {
  const target = castTarget(facts);
  if (data === undefined || target === undefined) return undefined;
  const convert = (value: number): number => {
    if (target === 'bool') return value === 0 ? 0 : 1;
    return isReal(target) ? value : Math.trunc(value);
  };
  return result(target, data.shape, numberValues(data).map(convert));
};

const constantOfShape: Fold = (facts, [shape]) => {
  const extents = numberValues(shape!);
  const count = elementCount(extents);
  const attribute = facts.node.attributes.value;
  const value = attribute?.kind === 'tensor' ? attribute.value : undefined;
  if (count > MAX_ELEMENTS || extents.some((extent) => extent < 0)) return undefined;
  if (attribute !== undefined && (value === undefined || !isFoldable(value.type))) return undefined;
  return result(value?.type ?? 'float32', extents, new Array<number>(count).fill(value ? numberValues(value)[0]! : 0));
};

const range: Fold = (_, [start, limit, delta]) => {
  const [from, to, step] = [start!, limit!, delta!].map((value) => numberValues(value)[0]!) as [number, number, number];
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!(count <= MAX_ELEMENTS)) return undefined;
  return result(
    start!.type,
    [count],
    Array.from({ length: count }, (_unused, index) => from + index * step),
  );
};

const expand: Fold = (_, [data, shape]) => {
  const target = broadcastShapes([data!.shape, numberValues(shape!)]);
  if (target === undefined || elementCount(target) > MAX_ELEMENTS) return undefined;
  const source = numberValues(data!);
  return result(
    data!.type,
    target,
    broadcastIndices(data!.shape, target).map((index) => source[index]!),
  );
};

/** Of all elements of a vector. */
const reduceVector =
  (combine: (a: number, b: number) => number, first: number): Fold =>
  (facts, [data]) => {
    const shape = data?.shape.length === 1 ? ruleOf(facts.node)?.outputs(facts)?.[0]?.shape : undefined;
    if (shape === undefined || elementCount(shape) !== 1) return undefined;
    return result(data!.type, shape, [numberValues(data!).reduce(combine, first)]);
  };

/** The same elements under another shape, which the operator's rule knows. */
const reshaped: Fold = (facts, [data]) => {
  const shape = ruleOf(facts.node)?.outputs(facts)?.[0]?.shape;
  return shape && elementCount(shape) === elementCount(data!.shape) ? { ...data!, shape } : undefined;
};

const isTrue = (value: boolean): number => (value ? 1 : 0);
const BOOL = { type: 'bool' } as const;

const FOLDS: Readonly<Record<string, Fold>> = {
  Abs: elementwise(Math.abs),
  Add: elementwise((a, b) => a + b),
  And: elementwise((a, b) => a * b),
  Cast: cast,
  Ceil: elementwise(Math.ceil),
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Div: divide,
  Equal: elementwise((a, b) => isTrue(a === b), BOOL),
  Expand: expand,
  Flatten: reshaped,
  Floor: elementwise(Math.floor),
  Gather: gather,
  Greater: elementwise((a, b) => isTrue(a > b), BOOL),
  GreaterOrEqual: elementwise((a, b) => isTrue(a >= b), BOOL),
  Identity: (_, [data]) => data,
  Less: elementwise((a, b) => isTrue(a < b), BOOL),
  LessOrEqual: elementwise((a, b) => isTrue(a <= b), BOOL),
  Max: elementwise(Math.max),
  Min: elementwise(Math.min),
  Mod: modulo,
  Mul: elementwise((a, b) => a * b),
  Neg: elementwise((a) => -a),
  Not: elementwise((a) => 1 - a),
  Or: elementwise((a, b) => Math.max(a, b)),
  Range: range,
  ReduceMax: reduceVector(Math.max, -Infinity),
  ReduceMin: reduceVector(Math.min, Infinity),
  ReduceProd: reduceVector((a, b) => a * b, 1),
  ReduceSum: reduceVector((a, b) => a + b, 0),
  Reshape: reshaped,
  Slice: slice,
  Sqrt: elementwise(Math.sqrt),
  Squeeze: reshaped,
  Sub: elementwise((a, b) => a - b),
  Unsqueeze: reshaped,
  Where: elementwise((condition, a, b) => (condition === 0 ? b : a), { from: 1 }),
};

/** The value of a node whose inputs are all known, or undefined where it is not for us to compute. */
export function foldNode(facts: NodeFacts): Tensor | undefined {
  const { node, inputs, constants } = facts;
  if (node.domain !== '' || node.outputs.length !== 1) return undefined;
  if (node.op === 'Shape' && inputs[0] !== undefined) {
    const extents = inputs[0].slice(intAttribute(node, 'start', 0), intAttribute(node, 'end', inputs[0].length));
    return fromInt64([extents.length], extents);
  }
  if (node.op === 'Size' && inputs[0] !== undefined) return fromInt64([], [elementCount(inputs[0])]);
  const isFoldableInput = (name: string, index: number): boolean => {
    const value = constants[index];
    if (value === undefined) return name === '' && index > 0;
    return elementCount(value.shape) <= MAX_ELEMENTS && isFoldable(value.type);
  };
  if (node.inputs.length === 0 || !node.inputs.every(isFoldableInput) || !Object.hasOwn(FOLDS, node.op))
    return undefined;
  return FOLDS[node.op]!(facts, constants);
}
