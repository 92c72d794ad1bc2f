/** LeNet-5 as a trainable network, and the recipe that makes the committed weights from a seed. */
import { fillNormal, permutation, uniformIntegers } from '../random.ts';
import { descent, trainBatch, type Sample } from '../training/classifier.ts';
import { convolution, maxPool } from '../training/convolution.ts';
import { dense, rectifier, sequence, type Layer } from '../training/layer.ts';
import { DIGIT_SIDE } from './digits.ts';

export interface Recipe {
  readonly seed: number;
  readonly epochs: number;
  readonly batch: number;
  /** Falls linearly to zero over the training. */
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Digits are moved by up to so many pixels each way, anew in each epoch. */
  readonly shift: number;
}

export const RECIPE: Recipe = Object.freeze({
  seed: 5,
  epochs: 16,
  batch: 32,
  learningRate: 0.015,
  momentum: 0.9,
  weightDecay: 5e-4,
  shift: 2,
});

/** Parameters in order: weight and bias of C1, C3, C5, F6 and the output layer. */
export function lenet5(seed: number): Layer {
  const network = sequence([
    convolution({ inputChannels: 1, outputChannels: 6, size: 28, kernel: 5, padding: 2, isInputGradientNeeded: false }),
    rectifier(6 * 28 * 28),
    maxPool(6, 28),
    convolution({ inputChannels: 6, outputChannels: 16, size: 14, kernel: 5, padding: 0, isInputGradientNeeded: true }),
    rectifier(16 * 10 * 10),
    maxPool(16, 10),
    dense(400, 120),
    rectifier(120),
    dense(120, 84),
    rectifier(84),
    dense(84, 10),
  ]);
  const fanIn = [25, 150, 400, 120, 84];
  for (const [index, inputs] of fanIn.entries()) {
    fillNormal(network.parameters[2 * index]!.values, seed + index, 0, Math.sqrt(2 / inputs));
  }
  return network;
}

export interface EpochReport {
  readonly epoch: number;
  /** Fraction of the training digits, shifted as they were, that the network got right while it learned. */
  readonly accuracy: number;
}

/** Trains `network` in place. */
export function train(
  network: Layer,
  samples: readonly Sample[],
  recipe: Recipe,
  onEpoch: (report: EpochReport) => void = () => undefined,
): void {
  const next = uniformIntegers(recipe.seed + 1_000);
  const step = descent(network.parameters);
  const batches = Math.ceil(samples.length / recipe.batch);
  for (let epoch = 0; epoch < recipe.epochs; epoch++) {
    const order = permutation(samples.length, next);
    let right = 0;
    for (let batch = 0; batch < batches; batch++) {
      const progress = (epoch * batches + batch) / (recipe.epochs * batches);
      const chosen = order.subarray(batch * recipe.batch, (batch + 1) * recipe.batch);
      right += trainBatch(network, shifted(samples, chosen, recipe.shift, next), step, {
        learningRate: recipe.learningRate * (1 - progress),
        momentum: recipe.momentum,
        weightDecay: recipe.weightDecay,
      });
    }
    onEpoch({ epoch: epoch + 1, accuracy: right / samples.length });
  }
}

function* shifted(
  samples: readonly Sample[],
  order: Uint32Array,
  shift: number,
  next: (limit: number) => number,
): Generator<Sample> {
  for (const index of order) {
    const { input, label } = samples[index]!;
    yield { input: move(input, next(2 * shift + 1) - shift, next(2 * shift + 1) - shift), label };
  }
}

function move(image: Float32Array, right: number, down: number): Float32Array {
  const moved = new Float32Array(image.length);
  for (let y = Math.max(0, down); y < Math.min(DIGIT_SIDE, DIGIT_SIDE + down); y++) {
    for (let x = Math.max(0, right); x < Math.min(DIGIT_SIDE, DIGIT_SIDE + right); x++) {
      moved[y * DIGIT_SIDE + x] = image[(y - down) * DIGIT_SIDE + x - right]!;
    }
  }
  return moved;
}
