/** Source: ONNX operators ReduceMean-13, ReduceMean-18 and their kin. */
import { intAttribute } from '../../src/core/graph/graph.ts';
import { indicesOf, intsOf, normalAxis, offsetOf, required, value, type Call, type Operator } from './operator.ts';

const sum = (values: readonly number[]): number => values.reduce((total, next) => total + next, 0);

function reduce(call: Call, summary: (values: readonly number[]) => number): ReturnType<Operator> {
  const x = required(call, 0);
  const given = intsOf(call, 1, 'axes') ?? [];
  if (given.length === 0 && intAttribute(call.node, 'noop_with_empty_axes', 0) === 1) return [x];
  const axes = (given.length === 0 ? x.shape.map((_, axis) => axis) : given).map((axis) =>
    normalAxis(axis, x.shape.length),
  );
  const kept = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const groups = new Map<number, number[]>();
  for (const [position, index] of indicesOf(x.shape).entries()) {
    const place = offsetOf(
      index.map((coordinate, axis) => (axes.includes(axis) ? 0 : coordinate)),
      kept,
    );
    groups.set(place, [...(groups.get(place) ?? []), x.data[position]!]);
  }
  const y = Float64Array.from(
    [...groups.entries()].sort(([a], [b]) => a - b),
    ([, values]) => summary(values),
  );
  const keepsAxes = intAttribute(call.node, 'keepdims', 1) === 1;
  return [value(x.type, keepsAxes ? kept : x.shape.filter((_, axis) => !axes.includes(axis)), y)];
}

export const reduceMean: Operator = (call) => reduce(call, (values) => sum(values) / values.length);
export const reduceSum: Operator = (call) => reduce(call, sum);
export const reduceMax: Operator = (call) => reduce(call, (values) => Math.max(...values));
