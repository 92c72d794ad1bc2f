/** Weights of a 3x3 convolution in the domain of frequencies: `G g G'` of each filter. */
import { MeshError } from '../../src/core/errors.ts';
import { float32Values, fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Normalization } from './rewrite.ts';
import { TRANSFORM } from './transform.ts';

const TAPS = 9;

/** Row by row. Typed arrays throughout: a deep network has millions of filters. */
const WEIGHT = Float64Array.from(TRANSFORM.weight.flat());
const EDGE = TRANSFORM.frequencies;

/** Transforms the columns and then the rows of the filter that starts at `first`; sums in double precision. */
function transformFilter(taps: Float32Array, first: number, target: Float64Array): void {
  for (let row = 0; row < EDGE; row++) {
    const a = WEIGHT[row * 3]!;
    const b = WEIGHT[row * 3 + 1]!;
    const c = WEIGHT[row * 3 + 2]!;
    const x = a * taps[first]! + b * taps[first + 3]! + c * taps[first + 6]!;
    const y = a * taps[first + 1]! + b * taps[first + 4]! + c * taps[first + 7]!;
    const z = a * taps[first + 2]! + b * taps[first + 5]! + c * taps[first + 8]!;
    for (let column = 0; column < EDGE; column++) {
      target[row * EDGE + column] = WEIGHT[column * 3]! * x + WEIGHT[column * 3 + 1]! * y + WEIGHT[column * 3 + 2]! * z;
    }
  }
}

/**
 * One matrix for each of the 36 frequencies, row by row.
 * @param weights float32 of shape [channels out, channels in, 3, 3].
 * @returns matrices of shape [channels in, channels out].
 * @throws MeshError INVALID_MODEL for weights of another shape or type.
 */
export function transformWeights(weights: Tensor): Tensor[] {
  const [channelsOut, channelsIn, height, width] = weights.shape;
  if (weights.type !== 'float32' || weights.shape.length !== 4 || height !== 3 || width !== 3) {
    throw new MeshError(
      'INVALID_MODEL',
      `minimal filtering takes float32 filters of 3x3, not ${weights.type} [${weights.shape.join(', ')}]`,
    );
  }
  const taps = float32Values(weights);
  const count = TRANSFORM.frequencies ** 2;
  const size = channelsIn! * channelsOut!;
  const all = Array.from({ length: count }, () => new Float32Array(size));
  const filter = new Float64Array(count);
  for (let input = 0; input < channelsIn!; input++) {
    for (let output = 0; output < channelsOut!; output++) {
      transformFilter(taps, (output * channelsIn! + input) * TAPS, filter);
      for (let frequency = 0; frequency < count; frequency++) {
        all[frequency]![input * channelsOut! + output] = filter[frequency]!;
      }
    }
  }
  return all.map((values) => fromFloat32([channelsIn!, channelsOut!], values));
}

/**
 * Filters and bias that convolve and normalise in one.
 * @param weights float32 of shape [channels out, ...].
 */
export function joinNormalization(
  weights: Tensor,
  { bias, epsilon, ...factors }: Normalization<Tensor>,
): { readonly weights: Tensor; readonly bias: Tensor } {
  const [scale, offset, mean, variance] = [factors.scale, factors.offset, factors.mean, factors.variance].map(
    float32Values,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const before = bias && float32Values(bias);
  const factorOf = (channel: number): number => scale[channel]! / Math.sqrt(variance[channel]! + epsilon);
  const taps = float32Values(weights);
  const size = taps.length / scale.length;
  const scaled = new Float32Array(taps.length);
  for (let channel = 0; channel < scale.length; channel++) {
    const factor = factorOf(channel);
    for (let at = channel * size; at < (channel + 1) * size; at++) scaled[at] = taps[at]! * factor;
  }
  const shifted = offset.map((own, channel) => own + ((before?.[channel] ?? 0) - mean[channel]!) * factorOf(channel));
  return { weights: fromFloat32(weights.shape, scaled), bias: fromFloat32([shifted.length], shifted) };
}
