/** Source: ONNX operators BatchNormalization-15 (inference), LRN-13, Softmax-11 and Softmax-13. */
import { floatAttribute, intAttribute } from '../../src/core/graph/graph.ts';
import { blank, normalAxis, required, value, type Operator, type Value } from './operator.ts';

/** Channel of the element at `position`, and how many elements lie between neighbouring channels. */
const channelStep = (x: Value): number => x.data.length / (x.shape[0]! * x.shape[1]!);
const channelOf = (x: Value, position: number): number => Math.floor(position / channelStep(x)) % x.shape[1]!;

export const batchNormalization: Operator = (call) => {
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((position) => required(call, position)) as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ];
  const epsilon = floatAttribute(call.node, 'epsilon', 1e-5);
  const y = x.data.map((element, position) => {
    const c = channelOf(x, position);
    return ((element - mean.data[c]!) / Math.sqrt(variance.data[c]! + epsilon)) * scale.data[c]! + bias.data[c]!;
  });
  return [value(x.type, x.shape, y)];
};

export const lrn: Operator = (call) => {
  const x = required(call, 0);
  const size = intAttribute(call.node, 'size', 1);
  const alpha = floatAttribute(call.node, 'alpha', 1e-4);
  const beta = floatAttribute(call.node, 'beta', 0.75);
  const bias = floatAttribute(call.node, 'bias', 1);
  const channels = x.shape[1]!;
  const step = channelStep(x);
  const y = x.data.map((element, position) => {
    const channel = channelOf(x, position);
    const first = Math.max(0, channel - Math.floor((size - 1) / 2));
    const last = Math.min(channels - 1, channel + Math.ceil((size - 1) / 2));
    let squares = 0;
    for (let c = first; c <= last; c++) squares += x.data[position + (c - channel) * step]! ** 2;
    return element / (bias + (alpha / size) * squares) ** beta;
  });
  return [value(x.type, x.shape, y)];
};

/** Along one axis from operator set 13 on; before, over everything from the axis on. */
export const softmax: Operator = (call) => {
  const x = required(call, 0);
  const isOld = call.opset < 13;
  const axis = normalAxis(intAttribute(call.node, 'axis', isOld ? 1 : -1), x.shape.length);
  const product = (extents: readonly number[]): number => extents.reduce((total, extent) => total * extent, 1);
  const extent = isOld ? product(x.shape.slice(axis)) : x.shape[axis]!;
  const step = isOld ? 1 : product(x.shape.slice(axis + 1));
  const y = blank(x.shape);
  for (let row = 0; row < x.data.length / extent; row++) {
    const start = Math.floor(row / step) * step * extent + (row % step);
    const places = Array.from({ length: extent }, (_, index) => start + index * step);
    const highest = Math.max(...places.map((place) => x.data[place]!));
    const powers = places.map((place) => Math.exp(x.data[place]! - highest));
    const total = powers.reduce((sum, power) => sum + power, 0);
    for (const [index, place] of places.entries()) y[place] = powers[index]! / total;
  }
  return [value(x.type, x.shape, y)];
};
