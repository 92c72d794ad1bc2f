/** A table of vectors, one per symbol: symbols [length] in, their vectors [width, length] out. */
import { parameter, type Layer } from './layer.ts';

/** The parameter has the shape [symbols, width]. Symbol 0 is the padding: its vector is not learned. */
export function embedding(symbols: number, width: number, length: number): Layer {
  const table = parameter(symbols * width);
  const output = new Float32Array(width * length);
  const noGradient = new Float32Array(length);
  let input = new Float32Array(length);
  return {
    parameters: [table],
    forward: (given) => {
      input = given as Float32Array<ArrayBuffer>;
      for (let step = 0; step < length; step++) {
        const row = input[step]! * width;
        for (let index = 0; index < width; index++) output[index * length + step] = table.values[row + index]!;
      }
      return output;
    },
    backward: (gradient) => {
      for (let step = 0; step < length; step++) {
        const symbol = input[step]!;
        if (symbol === 0) continue;
        for (let index = 0; index < width; index++) {
          table.gradient[symbol * width + index]! += gradient[index * length + step]!;
        }
      }
      return noGradient;
    },
  };
}
