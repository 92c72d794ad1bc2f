/**
 * Names the language of a text from its characters: a table of vectors, two convolutions along the text, the maximum of
 * each feature over the whole text, and one layer of classes. After Y. Kim, "Convolutional neural networks for sentence
 * classification", EMNLP 2014, on characters as in X. Zhang et al., "Character-level convolutional networks for text
 * classification", NIPS 2015.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder } from '../graph-builder.ts';
import { LANGUAGES } from './languages.ts';

export interface LanguageShape {
  /** Symbols of the table; see `TextSpec`. */
  readonly vocabulary: number;
  /** Numbers per symbol. */
  readonly width: number;
  /** Characters that a convolution sees. */
  readonly kernel: number;
  readonly channels: readonly [number, number];
  readonly classes: number;
}

export const LANGUAGE_SHAPE: LanguageShape = Object.freeze({
  vocabulary: 4096,
  width: 16,
  kernel: 5,
  channels: [48, 96] as const,
  classes: LANGUAGES.length,
});

/** Input `text` int64 [batch, length], output `probabilities` [batch, classes]. */
export function languageGraph(): Graph {
  const { vocabulary, width, kernel, channels, classes } = LANGUAGE_SHAPE;
  const net = graphBuilder('language', { name: 'text', type: 'int64', dims: ['length'] });
  net.embedding('characters', { symbols: vocabulary, width });
  net.convolution('conv1', { outputs: channels[0], kernel, padding: (kernel - 1) / 2 });
  net.relu('relu1');
  net.convolution('conv2', { outputs: channels[1], kernel, padding: (kernel - 1) / 2 });
  net.relu('relu2');
  net.globalMaxPool('longest');
  net.flatten('flat');
  net.dense('output', classes);
  net.softmax('probabilities');
  return net.build();
}
