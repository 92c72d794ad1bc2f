/**
 * The parts of a network that is trained here: plain loops over typed arrays, one sample at a time. A layer keeps what
 * its backward pass needs from the last forward pass, and adds up gradients until an optimiser takes them.
 */

/** Values that are learned, and the sum of their gradients since the last step. */
export interface Parameter {
  readonly values: Float32Array;
  readonly gradient: Float32Array;
}

export interface Layer {
  readonly parameters: readonly Parameter[];
  /** The output belongs to the layer and is overwritten by the next call. */
  forward(input: Float32Array): Float32Array;
  /**
   * From the loss's gradient by the last output to that by the last input (which belongs to the layer, and is all zero
   * where the layer was told that nobody needs it). Adds to the parameters' gradients.
   */
  backward(outputGradient: Float32Array): Float32Array;
}

export const parameter = (length: number): Parameter => ({
  values: new Float32Array(length),
  gradient: new Float32Array(length),
});

/** Layers one after the other. */
export function sequence(layers: readonly Layer[]): Layer {
  return {
    parameters: layers.flatMap((layer) => layer.parameters),
    forward: (input) => layers.reduce((value, layer) => layer.forward(value), input),
    backward: (gradient) => layers.reduceRight((value, layer) => layer.backward(value), gradient),
  };
}

/** What a layer gives plus what it was given. */
export function residual(layer: Layer): Layer {
  const plus = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, index) => value + b[index]!);
  return {
    parameters: layer.parameters,
    forward: (input) => plus(layer.forward(input), input),
    backward: (gradient) => plus(layer.backward(gradient), gradient),
  };
}

/** max(0, x) for `length` elements. */
export function rectifier(length: number): Layer {
  const output = new Float32Array(length);
  const inputGradient = new Float32Array(length);
  return {
    parameters: [],
    forward: (input) => {
      for (let index = 0; index < length; index++) output[index] = Math.max(0, input[index]!);
      return output;
    },
    backward: (gradient) => {
      for (let index = 0; index < length; index++) inputGradient[index] = output[index]! > 0 ? gradient[index]! : 0;
      return inputGradient;
    },
  };
}

/** y = W x + b, W of shape [outputs, inputs]: the parameters are W and b. */
export function dense(inputs: number, outputs: number): Layer {
  const weight = parameter(outputs * inputs);
  const bias = parameter(outputs);
  const output = new Float32Array(outputs);
  const inputGradient = new Float32Array(inputs);
  let input = new Float32Array(inputs);
  return {
    parameters: [weight, bias],
    forward: (given) => {
      input = given as Float32Array<ArrayBuffer>;
      for (let row = 0; row < outputs; row++) {
        let sum = bias.values[row]!;
        const start = row * inputs;
        for (let column = 0; column < inputs; column++) sum += weight.values[start + column]! * input[column]!;
        output[row] = sum;
      }
      return output;
    },
    backward: (gradient) => {
      inputGradient.fill(0);
      for (let row = 0; row < outputs; row++) {
        const slope = gradient[row]!;
        const start = row * inputs;
        bias.gradient[row]! += slope;
        for (let column = 0; column < inputs; column++) {
          weight.gradient[start + column]! += slope * input[column]!;
          inputGradient[column]! += slope * weight.values[start + column]!;
        }
      }
      return inputGradient;
    },
  };
}
