/** Arrays given by the user, checked against the inputs that the graph declares. */
import { MeshError } from '../../src/core/errors.ts';
import type { ValueInfo } from '../../src/core/graph/graph.ts';
import { converted, type Tensor } from '../../src/core/tensor/tensor.ts';

export const describeInput = (input: ValueInfo): string =>
  `${input.name}: ${input.type} [${input.dims.map((extent) => (typeof extent === 'number' ? extent : '?')).join(', ')}]`;

/**
 * The tensor as the graph wants it: other numbers become float32 or float16 where one of them is declared; an array without the batch
 * axis gets one of extent 1.
 * @throws MeshError INVALID_INPUT naming what the graph declares.
 */
export function fitInput(given: Tensor, input: ValueInfo): Tensor {
  const isConvertible =
    (input.type === 'float32' || input.type === 'float16') && !['bfloat16', 'string'].includes(given.type);
  if (given.type !== input.type && !isConvertible) throw mismatch(given, input);
  const isUnbatched = given.shape.length === input.dims.length - 1 && typeof input.dims[0] !== 'number';
  const shape =
    isUnbatched || (given.shape.length === input.dims.length - 1 && input.dims[0] === 1)
      ? [1, ...given.shape]
      : given.shape;
  const fits =
    shape.length === input.dims.length &&
    input.dims.every((extent, axis) => typeof extent === 'string' || extent < 0 || extent === shape[axis]);
  if (!fits) throw mismatch(given, input);
  return { ...converted(given, input.type), shape };
}

const mismatch = (given: Tensor, input: ValueInfo): MeshError =>
  new MeshError(
    'INVALID_INPUT',
    `the model wants ${describeInput(input)}, but a ${given.type} array of shape [${given.shape.join(', ')}] was given`,
  );
