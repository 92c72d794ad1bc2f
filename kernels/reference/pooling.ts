/** Pools over any number of spatial axes. Source: ONNX operators MaxPool-12, AveragePool-19, GlobalAveragePool-1. */
import { intAttribute, intsAttribute } from '../../src/core/graph/graph.ts';
import { blank, indicesOf, offsetOf, required, unsupported, value, type Call, type Operator } from './operator.ts';
import { isInside, tapPosition, windowOf } from './window.ts';

/** What a window comes to, given the elements it sees and how many of its taps are not behind the padded map. */
type Summary = (seen: readonly number[], taps: number) => number;

const sum = (values: readonly number[]): number => values.reduce((total, next) => total + next, 0);

function pool(call: Call, summary: Summary): ReturnType<Operator> {
  if (call.node.outputs.length > 1) throw unsupported(call, 'a second output');
  const x = required(call, 0);
  const [batch, channels, ...extents] = x.shape as [number, number, ...number[]];
  const window = windowOf(call.node, extents, intsAttribute(call.node, 'kernel_shape')!);
  const shape = [batch, channels, ...window.output];
  const y = blank(shape);
  const paddedExtents = extents.map((extent, axis) => extent + window.padBegin[axis]! + window.padEnd[axis]!);
  for (const position of indicesOf(window.output)) {
    const taps = window.taps.map((tap) => tapPosition(window, position, tap));
    const inside = taps.filter((at) => isInside(at, extents));
    const padded = taps.filter((at) =>
      isInside(
        at.map((coordinate, axis) => coordinate + window.padBegin[axis]!),
        paddedExtents,
      ),
    );
    for (let n = 0; n < batch; n++) {
      for (let c = 0; c < channels; c++) {
        const seen = inside.map((at) => x.data[offsetOf([n, c, ...at], x.shape)]!);
        y[offsetOf([n, c, ...position], shape)] = summary(seen, padded.length);
      }
    }
  }
  return [value(x.type, shape, y)];
}

export const maxPool: Operator = (call) => pool(call, (seen) => Math.max(...seen));

export const averagePool: Operator = (call) => {
  const countsPadding = intAttribute(call.node, 'count_include_pad', 0) === 1;
  return pool(call, (seen, taps) => sum(seen) / (countsPadding ? taps : seen.length));
};

function globalPool(call: Call, summary: (seen: readonly number[]) => number): ReturnType<Operator> {
  const x = required(call, 0);
  const [batch, channels, ...extents] = x.shape as [number, number, ...number[]];
  const size = x.data.length / (batch * channels);
  const y = blank([batch, channels]);
  for (let map = 0; map < y.length; map++) y[map] = summary([...x.data.subarray(map * size, (map + 1) * size)]);
  return [value(x.type, [batch, channels, ...extents.map(() => 1)], y)];
}

export const globalAveragePool: Operator = (call) => globalPool(call, (seen) => sum(seen) / seen.length);
export const globalMaxPool: Operator = (call) => globalPool(call, (seen) => Math.max(...seen));
