/** The language network as a trainable one, and the recipe that makes the committed weights from a seed. */
import { characterIds } from '../../tasks/text.ts';
import { fillNormal, permutation, uniformIntegers } from '../random.ts';
import { adam } from '../training/adam.ts';
import { trainBatch, type Sample } from '../training/classifier.ts';
import { convolution1d, globalMaxPool } from '../training/convolution-1d.ts';
import { embedding } from '../training/embedding.ts';
import { dense, rectifier, sequence, type Layer } from '../training/layer.ts';
import type { Declaration } from './declarations.ts';
import { LANGUAGE_SHAPE, type LanguageShape } from './network.ts';

export interface Recipe {
  readonly seed: number;
  readonly epochs: number;
  /** Drawn anew for each epoch. */
  readonly windowsPerLanguage: number;
  readonly batch: number;
  /** Characters of a window, the first number included; shorter ones are padded to the longest. */
  readonly window: readonly [shortest: number, longest: number];
  /** Share of the characters that is blotted out, so that no single word decides. */
  readonly noise: number;
  /** Falls linearly to zero over the training. */
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

export const RECIPE: Recipe = Object.freeze({
  seed: 30,
  epochs: 14,
  windowsPerLanguage: 64,
  batch: 16,
  window: [12, 96] as const,
  noise: 0.1,
  learningRate: 0.003,
  momentum: 0.9,
  weightDecay: 0.01,
});

/** Parameters in the order of the graph's weights. Characters that no text has are left at zero, as the padding is. */
export function languageNetwork(
  { seed, window: [, length] }: Pick<Recipe, 'seed' | 'window'>,
  seen: ReadonlySet<number>,
  shape: LanguageShape = LANGUAGE_SHAPE,
): Layer {
  const { vocabulary, width, kernel, channels, classes } = shape;
  const [first, second] = channels;
  const convolution = { length, kernel, dilation: 1, padding: 'centred' } as const;
  const network = sequence([
    embedding(vocabulary, width, length),
    convolution1d({ ...convolution, inputChannels: width, outputChannels: first }),
    rectifier(first * length),
    convolution1d({ ...convolution, inputChannels: first, outputChannels: second }),
    rectifier(second * length),
    globalMaxPool(second, length),
    dense(second, classes),
  ]);
  const [table, weight1, , weight2, , weight3] = network.parameters.map(({ values }) => values);
  for (const symbol of seen)
    fillNormal(table!.subarray(symbol * width, (symbol + 1) * width), seed, symbol * width, 0.5);
  fillNormal(weight1!, seed + 1, 0, Math.sqrt(2 / (width * kernel)));
  fillNormal(weight2!, seed + 2, 0, Math.sqrt(2 / (first * kernel)));
  fillNormal(weight3!, seed + 3, 0, Math.sqrt(1 / second));
  return network;
}

export interface EpochReport {
  readonly epoch: number;
  /** Fraction of the windows that the network got right while it learned. */
  readonly accuracy: number;
}

/** The ids of the training texts, one array per language. */
export const trainingIds = (declarations: readonly Declaration[], vocabulary: number): number[][] =>
  declarations.map(({ training }) => characterIds(training, vocabulary));

/** Trains `network` in place. */
export function train(
  network: Layer,
  texts: readonly (readonly number[])[],
  recipe: Recipe,
  onEpoch: (report: EpochReport) => void = () => undefined,
): void {
  const next = uniformIntegers(recipe.seed + 1_000);
  const step = adam(network.parameters);
  const count = texts.length * recipe.windowsPerLanguage;
  const batches = Math.ceil(count / recipe.batch);
  for (let epoch = 0; epoch < recipe.epochs; epoch++) {
    const order = permutation(count, next);
    let right = 0;
    for (let batch = 0; batch < batches; batch++) {
      const progress = (epoch * batches + batch) / (recipe.epochs * batches);
      const chosen = order.subarray(batch * recipe.batch, (batch + 1) * recipe.batch);
      right += trainBatch(network, windows(texts, chosen, recipe, next), step, {
        learningRate: recipe.learningRate * (1 - progress),
        momentum: recipe.momentum,
        weightDecay: recipe.weightDecay,
      });
    }
    onEpoch({ epoch: epoch + 1, accuracy: right / count });
  }
}

function* windows(
  texts: readonly (readonly number[])[],
  order: Uint32Array,
  { window: [shortest, longest], noise }: Recipe,
  next: (limit: number) => number,
): Generator<Sample> {
  for (const index of order) {
    const label = index % texts.length;
    const text = texts[label]!;
    const length = shortest + next(longest - shortest + 1);
    const start = next(text.length - length + 1);
    const input = new Float32Array(longest);
    for (let at = 0; at < length; at++) if (next(100) >= 100 * noise) input[at] = text[start + at]!;
    yield { input, label };
  }
}
