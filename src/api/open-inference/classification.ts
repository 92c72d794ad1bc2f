/** The classification extension: the highest values of an output as texts `value:index[:label]`, the highest first. */
import { MeshError } from '../../core/errors.ts';
import { numberValues, type Tensor } from '../../core/tensor/tensor.ts';
import type { ByteStrings } from './values.ts';

/**
 * One list for each sample of a batch: the first axis is that of samples where there is more than one axis.
 * @param labels of the classes, by index; those without one are told by value and index alone
 * @returns shape [samples, count], or [count] where there is one axis only; fewer where there are fewer classes
 * @throws MeshError INVALID_ARGUMENT for outputs that are no numbers.
 */
export function classified(name: string, output: Tensor, classes: number, labels: readonly string[]): ByteStrings {
  if (output.type === 'string' || output.type === 'bfloat16') {
    throw new MeshError('INVALID_ARGUMENT', `output "${name}" is ${output.type}: it cannot be ranked into classes`);
  }
  const values = numberValues(output);
  const samples = output.shape.length > 1 ? output.shape[0]! : 1;
  const perSample = samples === 0 ? 0 : values.length / samples;
  const count = Math.min(classes, perSample);
  const elements = Array.from({ length: samples }, (_, sample) =>
    highest(values.slice(sample * perSample, (sample + 1) * perSample), count, labels),
  ).flat();
  return { type: 'string', shape: output.shape.length > 1 ? [samples, count] : [count], elements };
}

const highest = (values: readonly number[], count: number, labels: readonly string[]): Buffer[] =>
  values
    .map((value, index) => ({ value, index }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, count)
    .map(({ value, index }) => {
      const label = labels[index];
      return Buffer.from(label === undefined ? `${value}:${index}` : `${value}:${index}:${label}`);
    });
