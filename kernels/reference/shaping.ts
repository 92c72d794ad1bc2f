/** Operators that move elements and leave them as they are. */
import { intAttribute, intsAttribute } from '../../src/core/graph/graph.ts';
import { MeshError } from '../../src/core/errors.ts';
import { elementCount, type Shape } from '../../src/core/tensor/tensor.ts';
import {
  blank,
  indicesOf,
  intsOf,
  normalAxis,
  offsetOf,
  required,
  value,
  type Operator,
  type Value,
} from './operator.ts';

const reshaped = (x: Value, shape: Shape): Value[] => [value(x.type, shape, x.data)];

export const reshape: Operator = (call) => {
  const x = required(call, 0);
  const wanted = intsOf(call, 1, 'shape') ?? [];
  const keepsZero = intAttribute(call.node, 'allowzero', 0) === 1;
  const shape = wanted.map((extent, axis) => (extent === 0 && !keepsZero ? x.shape[axis]! : extent));
  const known = elementCount(shape.filter((extent) => extent !== -1));
  return reshaped(
    x,
    shape.map((extent) => (extent === -1 ? x.data.length / known : extent)),
  );
};

export const flatten: Operator = (call) => {
  const x = required(call, 0);
  const axis = normalAxis(intAttribute(call.node, 'axis', 1), x.shape.length);
  return reshaped(x, [elementCount(x.shape.slice(0, axis)), elementCount(x.shape.slice(axis))]);
};

export const squeeze: Operator = (call) => {
  const x = required(call, 0);
  const axes = intsOf(call, 1, 'axes')?.map((axis) => normalAxis(axis, x.shape.length));
  return reshaped(
    x,
    x.shape.filter((extent, axis) => (axes === undefined ? extent !== 1 : !axes.includes(axis))),
  );
};

export const unsqueeze: Operator = (call) => {
  const x = required(call, 0);
  const added = intsOf(call, 1, 'axes') ?? [];
  const rank = x.shape.length + added.length;
  const axes = added.map((axis) => normalAxis(axis, rank));
  const rest = [...x.shape];
  return reshaped(
    x,
    Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : rest.shift()!)),
  );
};

export const transpose: Operator = (call) => {
  const x = required(call, 0);
  const order = intsAttribute(call.node, 'perm') ?? x.shape.map((_, axis) => x.shape.length - 1 - axis);
  const shape = order.map((axis) => x.shape[axis]!);
  const y = blank(shape);
  for (const index of indicesOf(x.shape)) {
    const moved = order.map((axis) => index[axis]!);
    y[offsetOf(moved, shape)] = x.data[offsetOf(index, x.shape)]!;
  }
  return [value(x.type, shape, y)];
};

export const concat: Operator = (call) => {
  const inputs = call.inputs.map((_, position) => required(call, position));
  const first = inputs[0]!;
  const axis = normalAxis(intAttribute(call.node, 'axis', 1), first.shape.length);
  const total = inputs.reduce((sum, input) => sum + input.shape[axis]!, 0);
  const shape = first.shape.map((extent, position) => (position === axis ? total : extent));
  const y = blank(shape);
  let start = 0;
  for (const input of inputs) {
    if (input.shape.some((extent, position) => position !== axis && extent !== shape[position])) {
      throw new MeshError('KERNEL_FAILED', `node "${call.node.name}" cannot join tensors of different extents`);
    }
    for (const [position, index] of indicesOf(input.shape).entries()) {
      const moved = index.map((coordinate, own) => (own === axis ? coordinate + start : coordinate));
      y[offsetOf(moved, shape)] = input.data[position]!;
    }
    start += input.shape[axis]!;
  }
  return [value(first.type, shape, y)];
};
