/** Class scores to the likeliest classes. */
import { MeshError } from '../../src/core/errors.ts';
import { numberValues, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Answer, ClassScore } from './answer.ts';
import type { Classes } from './task.ts';

/** Probabilities of logits, computed so that large ones do not overflow. */
export function softmax(logits: readonly number[]): number[] {
  const largest = logits.reduce((max, value) => Math.max(max, value), -Infinity);
  const powers = logits.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/**
 * @param scores [1, classes] with any number of further axes of extent 1
 * @throws MeshError INVALID_INPUT for a batch, KERNEL_FAILED for scores that are not numbers.
 */
export function classify(task: Classes, scores: Tensor): Answer {
  const values = numberValues(scores);
  if (scores.shape.length > 1 && scores.shape[0] !== 1) {
    throw new MeshError(
      'INVALID_INPUT',
      'a batch has no single answer: send one input, or use the tensor protocol /v2',
    );
  }
  if (!values.every(Number.isFinite)) {
    throw new MeshError(
      'KERNEL_FAILED',
      'the network returned scores that are not numbers: try again, or check the model',
    );
  }
  const probabilities = task.isSoftmaxed ? values : softmax(values);
  const top = probabilities
    .map((probability, index): ClassScore => {
      const label = task.labels[index];
      return label === undefined ? { index, probability } : { index, label, probability };
    })
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, task.topK);
  return { kind: 'classes', top };
}
