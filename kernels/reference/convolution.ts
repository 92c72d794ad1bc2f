/** Conv and ConvTranspose over any number of spatial axes. Source: ONNX operators Conv-11, ConvTranspose-11. */
import { intAttribute, intsAttribute, stringAttribute } from '../../src/core/graph/graph.ts';
import { blank, indicesOf, offsetOf, required, unsupported, value, type Operator } from './operator.ts';
import { batchNormalization } from './normalization.ts';
import { isInside, tapPosition, windowOf } from './window.ts';

export const conv: Operator = (call) => {
  const x = required(call, 0);
  const w = required(call, 1);
  const bias = call.inputs[2];
  const [batch, , ...extents] = x.shape as [number, number, ...number[]];
  const [channels, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  const channelsPerGroup = channels / intAttribute(call.node, 'group', 1);
  const window = windowOf(call.node, extents, kernel);
  const shape = [batch, channels, ...window.output];
  const y = blank(shape);
  for (const position of indicesOf(window.output)) {
    const taps = window.taps
      .map((tap) => ({ tap, at: tapPosition(window, position, tap) }))
      .filter(({ at }) => isInside(at, extents));
    for (let n = 0; n < batch; n++) {
      for (let m = 0; m < channels; m++) {
        const firstInput = Math.floor(m / channelsPerGroup) * perGroup;
        let sum = bias?.data[m] ?? 0;
        for (let c = 0; c < perGroup; c++) {
          for (const { tap, at } of taps) {
            const input = x.data[offsetOf([n, firstInput + c, ...at], x.shape)]!;
            sum += input * w.data[offsetOf([m, c, ...tap], w.shape)]!;
          }
        }
        y[offsetOf([n, m, ...position], shape)] = sum;
      }
    }
  }
  return [value(x.type, shape, y)];
};

/** tilemesh's own WinogradConv: a convolution that may have the factors of a normalisation as further inputs. */
export const normalizedConvolution: Operator = (call) => {
  const [convolved] = conv(call);
  const factors = call.inputs.slice(3);
  return factors.length === 0 ? [convolved!] : batchNormalization({ ...call, inputs: [convolved, ...factors] });
};

/** Every input element adds its multiple of the kernel to the output; the padding is what is cut off again. */
export const convTranspose: Operator = (call) => {
  const { node } = call;
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET' || node.attributes.output_shape !== undefined) {
    throw unsupported(call, 'auto_pad or output_shape');
  }
  const x = required(call, 0);
  const w = required(call, 1);
  const bias = call.inputs[2];
  const groups = intAttribute(node, 'group', 1);
  const [batch, channels, ...extents] = x.shape as [number, number, ...number[]];
  const [, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  const window = windowOf(node, extents, kernel);
  const outputPadding = intsAttribute(node, 'output_padding') ?? kernel.map(() => 0);
  const output = extents.map(
    (extent, axis) =>
      (extent - 1) * window.strides[axis]! +
      (kernel[axis]! - 1) * window.dilations[axis]! +
      1 +
      outputPadding[axis]! -
      window.padBegin[axis]! -
      window.padEnd[axis]!,
  );
  const shape = [batch, perGroup * groups, ...output];
  const y = blank(shape);
  for (const [position, index] of indicesOf(shape).entries()) y[position] = bias?.data[index[1]!] ?? 0;
  for (const position of indicesOf(extents)) {
    for (const tap of window.taps) {
      const at = tapPosition(window, position, tap);
      if (!isInside(at, output)) continue;
      for (let n = 0; n < batch; n++) {
        for (let c = 0; c < channels; c++) {
          const firstOutput = Math.floor(c / (channels / groups)) * perGroup;
          for (let m = 0; m < perGroup; m++) {
            const input = x.data[offsetOf([n, c, ...position], x.shape)]!;
            y[offsetOf([n, firstOutput + m, ...at], shape)]! += input * w.data[offsetOf([c, m, ...tap], w.shape)]!;
          }
        }
      }
    }
  }
  return [value(x.type, shape, y)];
};
