/** Square 2-D convolution of stride 1, and 2x2 max pooling, over [channels, size, size] maps. */
import { parameter, type Layer } from './layer.ts';

export interface ConvolutionShape {
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** Height and width of the input. */
  readonly size: number;
  readonly kernel: number;
  /** Zeros added on each side. */
  readonly padding: number;
  /** False for the first layer: nobody asks how the loss depends on the picture. */
  readonly isInputGradientNeeded: boolean;
}

/** The parameters are the weight of shape [output channels, input channels, kernel, kernel] and the bias. */
export function convolution(shape: ConvolutionShape): Layer {
  const { inputChannels, outputChannels, size, kernel, padding } = shape;
  const padded = size + 2 * padding;
  const extent = padded - kernel + 1;
  const weight = parameter(outputChannels * inputChannels * kernel * kernel);
  const bias = parameter(outputChannels);
  const input = new Float32Array(inputChannels * padded * padded);
  const inputGradient = new Float32Array(inputChannels * padded * padded);
  const output = new Float32Array(outputChannels * extent * extent);
  const croppedGradient = new Float32Array(inputChannels * size * size);

  /** Calls `visit` for each weight: its index, and where its first product lies in the padded input and the output. */
  const eachWeight = (visit: (index: number, from: number, to: number) => void): void => {
    let index = 0;
    for (let out = 0; out < outputChannels; out++) {
      for (let channel = 0; channel < inputChannels; channel++) {
        for (let y = 0; y < kernel; y++) {
          for (let x = 0; x < kernel; x++) {
            visit(index++, (channel * padded + y) * padded + x, out * extent * extent);
          }
        }
      }
    }
  };

  const forward = (given: Float32Array): Float32Array => {
    pad(given, input, inputChannels, size, padding);
    for (let out = 0; out < outputChannels; out++) {
      output.fill(bias.values[out]!, out * extent * extent, (out + 1) * extent * extent);
    }
    eachWeight((index, from, to) => {
      const factor = weight.values[index]!;
      for (let row = 0; row < extent; row++) {
        const source = from + row * padded;
        const target = to + row * extent;
        for (let x = 0; x < extent; x++) output[target + x]! += factor * input[source + x]!;
      }
    });
    return output;
  };

  const backward = (gradient: Float32Array): Float32Array => {
    for (let out = 0; out < outputChannels; out++) {
      let sum = 0;
      for (let index = out * extent * extent; index < (out + 1) * extent * extent; index++) sum += gradient[index]!;
      bias.gradient[out]! += sum;
    }
    eachWeight((index, from, to) => {
      let sum = 0;
      for (let row = 0; row < extent; row++) {
        const source = from + row * padded;
        const target = to + row * extent;
        for (let x = 0; x < extent; x++) sum += gradient[target + x]! * input[source + x]!;
      }
      weight.gradient[index]! += sum;
    });
    if (!shape.isInputGradientNeeded) return croppedGradient;
    inputGradient.fill(0);
    eachWeight((index, from, to) => {
      const factor = weight.values[index]!;
      for (let row = 0; row < extent; row++) {
        const source = from + row * padded;
        const target = to + row * extent;
        for (let x = 0; x < extent; x++) inputGradient[source + x]! += factor * gradient[target + x]!;
      }
    });
    crop(inputGradient, croppedGradient, inputChannels, size, padding);
    return croppedGradient;
  };

  return { parameters: [weight, bias], forward, backward };
}

function pad(source: Float32Array, target: Float32Array, channels: number, size: number, padding: number): void {
  const padded = size + 2 * padding;
  for (let row = 0; row < channels * size; row++) {
    const channel = Math.floor(row / size);
    const start = (channel * padded + padding + (row % size)) * padded + padding;
    for (let x = 0; x < size; x++) target[start + x] = source[row * size + x]!;
  }
}

function crop(source: Float32Array, target: Float32Array, channels: number, size: number, padding: number): void {
  const padded = size + 2 * padding;
  for (let row = 0; row < channels * size; row++) {
    const channel = Math.floor(row / size);
    const start = (channel * padded + padding + (row % size)) * padded + padding;
    for (let x = 0; x < size; x++) target[row * size + x] = source[start + x]!;
  }
}

/** The largest of each 2x2 square, stride 2; `size` is even. */
export function maxPool(channels: number, size: number): Layer {
  const half = size / 2;
  const output = new Float32Array(channels * half * half);
  const winner = new Uint32Array(output.length);
  const inputGradient = new Float32Array(channels * size * size);
  return {
    parameters: [],
    forward: (input) => {
      for (let index = 0; index < output.length; index++) {
        const row = Math.floor(index / half);
        const corner = 2 * (row * size + (index % half));
        let best = corner;
        for (const other of [corner + 1, corner + size, corner + size + 1]) {
          if (input[other]! > input[best]!) best = other;
        }
        winner[index] = best;
        output[index] = input[best]!;
      }
      return output;
    },
    backward: (gradient) => {
      inputGradient.fill(0);
      for (let index = 0; index < output.length; index++) inputGradient[winner[index]!] = gradient[index]!;
      return inputGradient;
    },
  };
}
