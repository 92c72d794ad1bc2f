/** Softmax with cross-entropy, and stochastic gradient descent with momentum. */
import type { Layer, Parameter } from './layer.ts';

/**
 * e^x for x <= 0, from correctly rounded operations only (argument reduction by ln 2 and a Taylor series), so that
 * training gives the same bits on every engine. Relative error below 1e-14; zero below -700.
 */
export function exponential(x: number): number {
  if (x < -700) return 0;
  const halvings = Math.round(-x / Math.LN2);
  const rest = x + halvings * Math.LN2;
  let sum = 1;
  for (let degree = 14; degree > 0; degree--) sum = 1 + (sum * rest) / degree;
  for (let count = 0; count < halvings; count++) sum *= 0.5;
  return sum;
}

/** Writes the gradient of the cross-entropy by the logits; tells whether the largest logit is the label's. */
export function crossEntropyGradient(logits: Float32Array, label: number, gradient: Float32Array): boolean {
  let best = 0;
  for (let index = 1; index < logits.length; index++) if (logits[index]! > logits[best]!) best = index;
  let sum = 0;
  for (let index = 0; index < logits.length; index++) {
    const power = exponential(logits[index]! - logits[best]!);
    gradient[index] = power;
    sum += power;
  }
  for (let index = 0; index < logits.length; index++) gradient[index]! /= sum;
  gradient[label]! -= 1;
  return best === label;
}

export interface Descent {
  readonly learningRate: number;
  readonly momentum: number;
  /** L2 penalty. */
  readonly weightDecay: number;
  /** Samples whose gradients were added up since the last step. */
  readonly batch: number;
}

/** A step function for these parameters: takes the gradients, and leaves them zero. */
export function descent(parameters: readonly Parameter[]): (options: Descent) => void {
  const velocities = parameters.map(({ values }) => new Float32Array(values.length));
  return ({ learningRate, momentum, weightDecay, batch }) => {
    for (const [position, { values, gradient }] of parameters.entries()) {
      const velocity = velocities[position]!;
      for (let index = 0; index < values.length; index++) {
        const slope = gradient[index]! / batch + weightDecay * values[index]!;
        velocity[index] = momentum * velocity[index]! - learningRate * slope;
        values[index]! += velocity[index]!;
      }
      gradient.fill(0);
    }
  };
}

export interface Sample {
  readonly input: Float32Array;
  readonly label: number;
}

/** One forward and backward pass per sample, then one step. Tells how many samples were right. */
export function trainBatch(
  network: Layer,
  samples: Iterable<Sample>,
  step: (options: Descent) => void,
  options: Omit<Descent, 'batch'>,
): number {
  let gradient: Float32Array | undefined;
  let batch = 0;
  let right = 0;
  for (const { input, label } of samples) {
    const logits = network.forward(input);
    gradient ??= new Float32Array(logits.length);
    if (crossEntropyGradient(logits, label, gradient)) right++;
    network.backward(gradient);
    batch++;
  }
  if (batch > 0) step({ ...options, batch });
  return right;
}

/** Index of the largest output. */
export function classify(network: Layer, input: Float32Array): number {
  const output = network.forward(input);
  let best = 0;
  for (let index = 1; index < output.length; index++) if (output[index]! > output[best]!) best = index;
  return best;
}
