/**
 * Constant folding of what exporters compute from shapes: small integer (and float) arithmetic, done once before planning so
 * that the shapes it leads to are known. Anything else is left to the kernel.
 */
import { castTarget } from '../ops/elementwise.ts';
import { normalizeAxis, type NodeFacts } from '../ops/rule.ts';
import { elementCount, fromInt64, fromNumbers, numberValues, type Tensor } from '../tensor/tensor.ts';
import { intAttribute, intsAttribute } from './graph.ts';

/** Larger tensors are not shapes, and are not folded. */
const MAX_ELEMENTS = 1024;

type Fold = (facts: NodeFacts, values: readonly Tensor[]) => Tensor | undefined;

const isVector = (value: Tensor): boolean => value.shape.length <= 1;

/** Elementwise on equal lengths, or with one side a single element. */
function binary(compute: (a: number, b: number) => number): Fold {
  return (_, [a, b]) => {
    if (a === undefined || b === undefined || !isVector(a) || !isVector(b)) return undefined;
    const left = numberValues(a);
    const right = numberValues(b);
    const count = Math.max(left.length, right.length);
    if (![left.length, right.length].every((own) => own === 1 || own === count)) return undefined;
    const values = Array.from({ length: count }, (_unused, index) =>
      compute(left[left.length === 1 ? 0 : index]!, right[right.length === 1 ? 0 : index]!),
    );
    return fromNumbers(
      a.type,
      a.shape.length >= b.shape.length ? (left.length === count ? a.shape : b.shape) : b.shape,
      values,
    );
  };
}

const unary =
  (compute: (a: number) => number): Fold =>
  (_, [a]) =>
    a && fromNumbers(a.type, a.shape, numberValues(a).map(compute));

const isInteger = (value: Tensor): boolean => !value.type.startsWith('float');

const divide: Fold = (facts, values) =>
  binary((a, b) => (isInteger(values[0]!) ? Math.trunc(a / b) : a / b))(facts, values);

const gather: Fold = (facts, [data, indices]) => {
  if (data?.shape.length !== 1 || indices === undefined || intAttribute(facts.node, 'axis', 0) > 0) return undefined;
  const source = numberValues(data);
  const picked = numberValues(indices).map((index) => source[normalizeAxis(index, source.length)]);
  return picked.includes(undefined) ? undefined : fromNumbers(data.type, indices.shape, picked as number[]);
};

const slice: Fold = (facts, [data, ...rest]) => {
  if (data?.shape.length !== 1) return undefined;
  const argument = (index: number, name: string): number | undefined =>
    rest[index] === undefined ? intsAttribute(facts.node, name)?.[0] : numberValues(rest[index])[0];
  const start = argument(0, 'starts');
  const end = argument(1, 'ends');
  if (start === undefined || end === undefined || (argument(3, 'steps') ?? 1) !== 1) return undefined;
  const extent = data.shape[0]!;
  const clamp = (position: number): number =>
    Math.min(extent, Math.max(0, position < 0 ? position + extent : position));
  const values = numberValues(data).slice(clamp(start), clamp(end));
  return fromNumbers(data.type, [values.length], values);
};

const concat: Fold = (_, values) => {
  if (!values.every((value) => value.shape.length === 1)) return undefined;
  const joined = values.flatMap(numberValues);
  return fromNumbers(values[0]!.type, [joined.length], joined);
};

const scalarToVector: Fold = (_, [data]) => (data?.shape.length === 0 ? { ...data, shape: [1] } : undefined);
const vectorToScalar: Fold = (_, [data]) =>
  data && elementCount(data.shape) === 1 && data.shape.length === 1 ? { ...data, shape: [] } : undefined;

const cast: Fold = (facts, [data]) => {
  const target = castTarget(facts);
  if (data === undefined || target === undefined || target === 'string') return undefined;
  const isWhole = !target.startsWith('float');
  return fromNumbers(
    target,
    data.shape,
    numberValues(data).map((value) => (isWhole ? Math.trunc(value) : value)),
  );
};

const constantOfShape: Fold = (facts, [shape]) => {
  if (shape === undefined) return undefined;
  const extents = numberValues(shape);
  const count = elementCount(extents);
  const attribute = facts.node.attributes.value;
  const value = attribute?.kind === 'tensor' ? attribute.value : undefined;
  if (count > MAX_ELEMENTS || extents.some((extent) => extent < 0)) return undefined;
  return fromNumbers(
    value?.type ?? 'float32',
    extents,
    new Array<number>(count).fill(value ? numberValues(value)[0]! : 0),
  );
};

const range: Fold = (_, [start, limit, delta]) => {
  if (start === undefined || limit === undefined || delta === undefined) return undefined;
  const [from, to, step] = [start, limit, delta].map((value) => numberValues(value)[0]!) as [number, number, number];
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (count > MAX_ELEMENTS) return undefined;
  return fromNumbers(
    start.type,
    [count],
    Array.from({ length: count }, (_unused, index) => from + index * step),
  );
};

const FOLDS: Readonly<Record<string, Fold>> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: divide,
  Min: binary(Math.min),
  Max: binary(Math.max),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Neg: unary((a) => -a),
  Identity: (_, [data]) => data,
  Cast: cast,
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Gather: gather,
  Range: range,
  Slice: slice,
  Squeeze: vectorToScalar,
  Unsqueeze: scalarToVector,
};

/** The value of a node whose inputs are all known, or undefined where it is not for us to compute. */
export function foldNode(facts: NodeFacts): Tensor | undefined {
  const { node, inputs, constants } = facts;
  if (node.domain !== '' || node.outputs.length !== 1) return undefined;
  if (node.op === 'Shape' && inputs[0] !== undefined) {
    const rank = inputs[0].length;
    const from = normalizeAxis(intAttribute(node, 'start', 0), rank);
    const to = normalizeAxis(intAttribute(node, 'end', rank), rank);
    const extents = inputs[0].slice(from, to);
    return fromInt64([extents.length], extents);
  }
  if (node.op === 'Size' && inputs[0] !== undefined) return fromInt64([], [elementCount(inputs[0])]);
  const values = constants.filter((value) => value !== undefined);
  if (values.length === 0 || values.length !== node.inputs.filter((name) => name !== '').length) return undefined;
  if (values.some((value) => elementCount(value.shape) > MAX_ELEMENTS || value.type === 'float16')) return undefined;
  return FOLDS[node.op]?.(facts, values);
}
