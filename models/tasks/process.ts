/**
 * From what a client sends to the inputs of a network, and from its outputs to an answer. Runs at the peer the request
 * enters; the mesh in between sees tensors only.
 */
import { MeshError } from '../../src/core/errors.ts';
import type { ValueInfo } from '../../src/core/graph/graph.ts';
import { converted, type Tensor } from '../../src/core/tensor/tensor.ts';
import { summarise, type Answer } from './answer.ts';
import { classify } from './classify.ts';
import { findFaces } from './face-detection.ts';
import { imageTensor, type Placement } from './image.ts';
import { readNpy } from './npy.ts';
import { findObjects } from './object-detection.ts';
import type { Payload, PayloadKind } from './payload.ts';
import { forecastValues, seriesTensor, type Scale } from './series.ts';
import type { FaceDetectionTask, ImageSpec, ObjectDetectionTask, TaskKind, TaskSpec } from './task.ts';
import { describeInput, fitInput } from './tensors.ts';
import { findText } from './text-detection.ts';
import { readText } from './text-recognition.ts';
import { textTensor } from './text.ts';

/** What the answer needs to know of the input. */
export interface TaskContext {
  /** Where in the network's input the picture lies; absent where no picture was sent. */
  readonly placement?: Placement;
  /** Of a series: how its values were normalised. */
  readonly scale?: Scale;
}

export interface PreparedInput {
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly context: TaskContext;
}

const WANTED: Readonly<Record<TaskKind, readonly PayloadKind[]>> = {
  tensors: ['npy'],
  'image-classification': ['image', 'npy'],
  'text-classification': ['text', 'npy'],
  forecasting: ['text', 'npy'],
  'object-detection': ['image', 'npy'],
  'face-detection': ['image', 'npy'],
  'text-detection': ['image', 'npy'],
  'text-recognition': ['image', 'npy'],
};

const NAMES: Readonly<Record<PayloadKind, string>> = { image: 'a picture', text: 'text', npy: 'a .npy array' };

/**
 * The inputs of one request. A .npy array is taken as the graph's input as it is, whatever the task; a series is
 * normalised.
 * @throws MeshError UNSUPPORTED_MEDIA when the task has no use for such a payload, INVALID_INPUT when it cannot be read.
 */
export async function preprocess(
  task: TaskSpec,
  payload: Payload,
  graphInputs: readonly ValueInfo[],
): Promise<PreparedInput> {
  const wanted = WANTED[task.kind];
  if (!wanted.includes(payload.kind)) {
    const list = wanted.map((kind) => NAMES[kind]).join(' or ');
    throw new MeshError('UNSUPPORTED_MEDIA', `this model wants ${list}, but was sent ${NAMES[payload.kind]}`);
  }
  if (task.kind === 'forecasting') {
    const { tensor, scale } = seriesTensor(payload, task.series);
    return { inputs: named(task.input, tensor, graphInputs), context: { scale } };
  }
  if (payload.kind === 'npy' || task.kind === 'tensors') return fromArray(task, payload, graphInputs);
  if (task.kind === 'text-classification') {
    return { inputs: named(task.input, textTensor(payload.bytes, task.text), graphInputs), context: {} };
  }
  return fromImage(task.input, task.image, payload, graphInputs);
}

function named(name: string, tensor: Tensor, graphInputs: readonly ValueInfo[]): ReadonlyMap<string, Tensor> {
  const input = graphInputs.find((candidate) => candidate.name === name);
  if (input === undefined) throw unknownValue('input', name);
  return new Map([[name, fitInput(tensor, input)]]);
}

function fromArray(task: TaskSpec, payload: Payload, graphInputs: readonly ValueInfo[]): PreparedInput {
  const input =
    task.kind === 'tensors'
      ? graphInputs.length === 1
        ? graphInputs[0]
        : undefined
      : graphInputs.find((candidate) => candidate.name === task.input);
  if (input === undefined) {
    throw new MeshError(
      'INVALID_INPUT',
      `this model has several inputs (${graphInputs.map(describeInput).join('; ')}): name an array for each`,
    );
  }
  return { inputs: new Map([[input.name, fitInput(readNpy(payload.bytes), input)]]), context: {} };
}

async function fromImage(
  name: string,
  spec: ImageSpec,
  payload: Payload,
  graphInputs: readonly ValueInfo[],
): Promise<PreparedInput> {
  const { tensor, placement } = await imageTensor(payload.bytes, spec);
  return { inputs: named(name, tensor, graphInputs), context: { placement } };
}

/** @throws MeshError INVALID_MODEL when the outputs are not what the task says. */
export function postprocess(task: TaskSpec, outputs: ReadonlyMap<string, Tensor>, context: TaskContext): Answer {
  switch (task.kind) {
    case 'tensors':
      return { kind: 'tensors', tensors: [...outputs].map(([name, tensor]) => summarise(name, tensor)) };
    case 'image-classification':
    case 'text-classification':
      return classify(task, output(outputs, task.output));
    case 'forecasting':
      return { kind: 'forecast', values: forecastValues(output(outputs, task.output), context.scale) };
    case 'object-detection':
      return findObjects(task, output(outputs, task.output), fixedSize(task), context.placement);
    case 'face-detection':
      return findFaces(task, (name) => output(outputs, name), fixedSize(task), context.placement);
    case 'text-detection':
      return findText(task, output(outputs, task.output), context.placement);
    case 'text-recognition':
      return readText(task.characters, output(outputs, task.output));
  }
}

function fixedSize({ image: { size }, input }: ObjectDetectionTask | FaceDetectionTask) {
  if (size.kind !== 'fixed') throw unknownValue('input of fixed size', input);
  return size;
}

/** In single precision where the network computes in half. */
function output(outputs: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = outputs.get(name);
  if (tensor === undefined) throw unknownValue('output', name);
  return tensor.type === 'float16' ? converted(tensor, 'float32') : tensor;
}

const unknownValue = (kind: string, name: string): MeshError =>
  new MeshError('INVALID_MODEL', `the task names an ${kind} "${name}" that the network does not have: import it anew`);
