/** Dilated convolution of stride 1 along one axis, and the maximum over all of it, over [channels, length] maps. */
import { parameter, type Layer } from './layer.ts';

export interface Convolution1dShape {
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly length: number;
  readonly kernel: number;
  /** Distance between neighbouring taps; 1 for a plain convolution. */
  readonly dilation: number;
  /** centred: as many zeros on each side; causal: all of them before the start, so that no output sees what follows it. */
  readonly padding: 'centred' | 'causal';
}

/** Zeros before the first element, so that the output is as long as the input. */
export const zerosBefore = ({ kernel, dilation, padding }: Omit<Convolution1dShape, 'length'>): number =>
  padding === 'causal' ? (kernel - 1) * dilation : ((kernel - 1) * dilation) / 2;

/**
 * The parameters are the weight of shape [output channels, input channels, kernel] and the bias. Gradients that are zero
 * cost nothing: after a maximum, or where only the last step has a loss, nearly all are.
 */
export function convolution1d(shape: Convolution1dShape): Layer {
  const { inputChannels, outputChannels, length, kernel, dilation } = shape;
  const before = zerosBefore(shape);
  const weight = parameter(outputChannels * inputChannels * kernel);
  const bias = parameter(outputChannels);
  const output = new Float32Array(outputChannels * length);
  const inputGradient = new Float32Array(inputChannels * length);
  const touched = new Int32Array(length);
  let input = new Float32Array(inputChannels * length);

  const forward = (given: Float32Array): Float32Array => {
    input = given as Float32Array<ArrayBuffer>;
    for (let out = 0; out < outputChannels; out++) {
      const to = out * length;
      output.fill(bias.values[out]!, to, to + length);
      for (let channel = 0; channel < inputChannels; channel++) {
        for (let tap = 0; tap < kernel; tap++) {
          const factor = weight.values[(out * inputChannels + channel) * kernel + tap]!;
          const shift = tap * dilation - before;
          const from = channel * length + shift;
          const end = Math.min(length, length - shift);
          for (let step = Math.max(0, -shift); step < end; step++) output[to + step]! += factor * input[from + step]!;
        }
      }
    }
    return output;
  };

  const backward = (gradient: Float32Array): Float32Array => {
    inputGradient.fill(0);
    for (let out = 0; out < outputChannels; out++) {
      let count = 0;
      for (let step = 0; step < length; step++) {
        const slope = gradient[out * length + step]!;
        if (slope === 0) continue;
        touched[count++] = step;
        bias.gradient[out]! += slope;
      }
      for (let channel = 0; channel < inputChannels; channel++) {
        for (let tap = 0; tap < kernel; tap++) {
          const at = (out * inputChannels + channel) * kernel + tap;
          const shift = tap * dilation - before;
          const factor = weight.values[at]!;
          let sum = 0;
          for (let index = 0; index < count; index++) {
            const step = touched[index]!;
            const source = step + shift;
            if (source < 0 || source >= length) continue;
            const slope = gradient[out * length + step]!;
            sum += slope * input[channel * length + source]!;
            inputGradient[channel * length + source]! += slope * factor;
          }
          weight.gradient[at]! += sum;
        }
      }
    }
    return inputGradient;
  };

  return { parameters: [weight, bias], forward, backward };
}

/** The largest element of each channel. */
export function globalMaxPool(channels: number, length: number): Layer {
  const output = new Float32Array(channels);
  const winner = new Uint32Array(channels);
  const inputGradient = new Float32Array(channels * length);
  return {
    parameters: [],
    forward: (input) => {
      for (let channel = 0; channel < channels; channel++) {
        let best = channel * length;
        for (let index = best + 1; index < (channel + 1) * length; index++)
          if (input[index]! > input[best]!) best = index;
        winner[channel] = best;
        output[channel] = input[best]!;
      }
      return output;
    },
    backward: (gradient) => {
      inputGradient.fill(0);
      for (let channel = 0; channel < channels; channel++) inputGradient[winner[channel]!] = gradient[channel]!;
      return inputGradient;
    },
  };
}
