/**
 * Adam (Kingma and Ba, ICLR 2015) with the weight decay apart from the gradient (Loshchilov and Hutter, ICLR 2019): for
 * parameters of which some are seldom touched, such as tables of characters.
 */
import type { Descent } from './classifier.ts';
import type { Parameter } from './layer.ts';

const SQUARE_DECAY = 0.999;
const EPSILON = 1e-8;

/** A step function for these parameters, as `descent` makes one; `momentum` is the decay of the mean gradient. */
export function adam(parameters: readonly Parameter[]): (options: Descent) => void {
  const states = parameters.map(({ values }) => ({
    mean: new Float32Array(values.length),
    square: new Float32Array(values.length),
  }));
  let meanWeight = 1;
  let squareWeight = 1;
  return ({ learningRate, momentum, weightDecay, batch }) => {
    meanWeight *= momentum;
    squareWeight *= SQUARE_DECAY;
    const rate = learningRate / (1 - meanWeight);
    for (const [position, { values, gradient }] of parameters.entries()) {
      const { mean, square } = states[position]!;
      for (let index = 0; index < values.length; index++) {
        const slope = gradient[index]! / batch;
        mean[index] = momentum * mean[index]! + (1 - momentum) * slope;
        square[index] = SQUARE_DECAY * square[index]! + (1 - SQUARE_DECAY) * slope * slope;
        const size = Math.sqrt(square[index]! / (1 - squareWeight)) + EPSILON;
        values[index]! -= (rate * mean[index]!) / size + learningRate * weightDecay * values[index]!;
      }
      gradient.fill(0);
    }
  };
}
