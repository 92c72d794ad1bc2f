/** A task for a kind of networks becomes the task of one of them: its ports and sizes are read off the graph. */
import { MeshError } from '../../src/core/errors.ts';
import type { Graph } from '../../src/core/graph/graph.ts';
import { MAX_SIDE, type ImageSpec } from './image-spec.ts';
import type { ImageClassificationTask, TaskSpec } from './task.ts';

/** In place of the name of an input or output: the only one that the graph has. */
export const OPEN_PORT = '';

/**
 * The task with its open ports named, the size of its pictures as the graph declares it where it does, and classes taken for
 * probabilities where the graph ends in Softmax. Tasks without open ports stay as they are.
 * @throws MeshError INVALID_MODEL when the graph has not one input for pictures and one output.
 */
export function fitTask(task: TaskSpec, graph: Graph): TaskSpec {
  if (task.kind !== 'image-classification' || task.input !== OPEN_PORT) return task;
  const [input, output] = [graph.inputs[0], graph.outputs[0]];
  const [, channels, height, width] = input?.dims ?? [];
  const isForPictures = input?.dims.length === 4 && (typeof channels === 'string' || channels === task.image.channels);
  if (input === undefined || output === undefined || graph.inputs.length + graph.outputs.length > 2 || !isForPictures) {
    throw new MeshError(
      'INVALID_MODEL',
      'this task is for networks with one output and one input [batch, 3, height, width]: import the model without --task',
    );
  }
  const isSoftmaxed = graph.nodes.some(({ op, outputs }) => op === 'Softmax' && outputs[0] === output.name);
  const fitted: ImageClassificationTask = {
    ...task,
    input: input.name,
    output: output.name,
    image: { ...task.image, size: sized(task.image.size, height, width) },
    isSoftmaxed,
  };
  return fitted;
}

function sized(
  size: ImageSpec['size'],
  height: number | string | undefined,
  width: number | string | undefined,
): ImageSpec['size'] {
  const isSide = (extent: number | string | undefined): extent is number =>
    typeof extent === 'number' && extent > 0 && extent <= MAX_SIDE;
  return isSide(height) && isSide(width) ? { kind: 'fixed', height, width } : size;
}
