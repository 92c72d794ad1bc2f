/** Pad in constant mode; negative amounts crop. Source: ONNX operators Pad-2, Pad-11, Pad-18; com.microsoft.Pad. */
import { floatAttribute, stringAttribute } from '../../src/core/graph/graph.ts';
import {
  blank,
  indicesOf,
  intsOf,
  normalAxis,
  offsetOf,
  required,
  unsupported,
  value,
  type Operator,
} from './operator.ts';
import { isInside } from './window.ts';

export const pad: Operator = (call) => {
  const mode = stringAttribute(call.node, 'mode', 'constant');
  if (mode !== 'constant') throw unsupported(call, `mode ${mode}`);
  const x = required(call, 0);
  const rank = x.shape.length;
  const amounts = intsOf(call, 1, 'pads') ?? [];
  const fill = call.inputs[2]?.data[0] ?? floatAttribute(call.node, 'value', 0);
  const axes = call.inputs[3] === undefined ? x.shape.map((_, axis) => axis) : [...call.inputs[3].data];
  const begin = new Array<number>(rank).fill(0);
  const end = new Array<number>(rank).fill(0);
  for (const [position, axis] of axes.entries()) {
    begin[normalAxis(axis, rank)] = amounts[position]!;
    end[normalAxis(axis, rank)] = amounts[position + axes.length]!;
  }
  const shape = x.shape.map((extent, axis) => extent + begin[axis]! + end[axis]!);
  const y = blank(shape).fill(fill);
  for (const [position, index] of indicesOf(x.shape).entries()) {
    const moved = index.map((coordinate, axis) => coordinate + begin[axis]!);
    if (isInside(moved, shape)) y[offsetOf(moved, shape)] = x.data[position]!;
  }
  return [value(x.type, shape, y)];
};
