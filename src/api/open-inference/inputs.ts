/** From what a client gave to the inputs that the graph declares. */
import { MeshError } from '../../core/errors.ts';
import type { ValueInfo } from '../../core/graph/graph.ts';
import { ELEMENT_BYTES } from '../../core/tensor/data-type.ts';
import { elementCount, type Tensor } from '../../core/tensor/tensor.ts';
import { sniff } from '../../../models/tasks/payload.ts';
import { preprocess } from '../../../models/tasks/process.ts';
import { fitInput } from '../../../models/tasks/tensors.ts';
import type { ModelTask } from '../port.ts';
import type { Question } from './question.ts';
import { isByteStrings, type ByteStrings, type Value } from './values.ts';

const invalid = (message: string): MeshError => new MeshError('INVALID_INPUT', message);

/**
 * BYTES elements are encoded pictures (PNG, JPEG, WebP ...) or texts, one for each sample, for models whose task reads such.
 * @throws MeshError INVALID_INPUT naming the input and what would be right, UNSUPPORTED_MEDIA.
 */
export async function prepareInputs(given: Question['inputs'], model: ModelTask): Promise<ReadonlyMap<string, Tensor>> {
  const values = given instanceof Uint8Array ? fromBytes(given, model) : given;
  const known = model.inputs.map((input) => input.name);
  const unknown = [...values.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw invalid(`the model has no input "${unknown}": its inputs are ${known.join(', ')}`);
  }
  const fitted = await Promise.all(
    model.inputs.map(async (input) => {
      const value = values.get(input.name);
      if (value === undefined) throw invalid(`input "${input.name}" is missing`);
      const tensor = isByteStrings(value) ? await readElements(value, input, model) : fitInput(value, input);
      return [input.name, tensor] as const;
    }),
  );
  return new Map(fitted);
}

/** The raw binary request: the shape follows from the length, where one extent at most is open. */
function fromBytes(bytes: Uint8Array, { inputs, task }: ModelTask): ReadonlyMap<string, Value> {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw invalid(`a body of nothing but bytes is for models of one input, and this one has ${inputs.length}`);
  }
  const sniffed = task.kind === 'tensors' ? undefined : sniff(bytes);
  if (sniffed === 'image') return new Map([[input.name, { type: 'string', shape: [1], elements: [bytes] }]]);
  const dims = input.dims.map((extent) => (typeof extent === 'number' && extent >= 0 ? extent : undefined));
  const isOpen = (extent: number | undefined): boolean => extent === undefined;
  const known = elementCount(dims.filter((extent) => extent !== undefined)) * ELEMENT_BYTES[input.type];
  // A batch of one where the number of samples and another extent are open.
  const open = dims.filter(isOpen).length;
  const shape = dims.map((extent, axis) => extent ?? (axis === 0 && open === 2 ? 1 : bytes.byteLength / known));
  if (open > 2 || (open === 2 && !isOpen(dims[0])) || !shape.every(Number.isInteger)) {
    throw invalid(
      `${bytes.byteLength} bytes do not tell the shape of input "${input.name}": send a JSON document with it`,
    );
  }
  if (elementCount(shape) * ELEMENT_BYTES[input.type] !== bytes.byteLength) {
    throw invalid(`input "${input.name}" needs ${known} bytes, but ${bytes.byteLength} were sent`);
  }
  return new Map([[input.name, { type: input.type, shape, bytes }]]);
}

async function readElements(value: ByteStrings, input: ValueInfo, { task, inputs }: ModelTask): Promise<Tensor> {
  if (task.kind === 'tensors' || task.kind === 'forecasting' || task.input !== input.name) {
    throw invalid(`input "${input.name}" takes numbers: BYTES are for models that read pictures or texts`);
  }
  if (value.elements.length === 0) throw invalid(`input "${input.name}" holds no element`);
  const wanted = task.kind === 'text-classification' ? 'text' : 'image';
  const samples: Tensor[] = [];
  for (const bytes of value.elements) {
    if (wanted === 'image' && sniff(bytes) !== 'image') {
      throw invalid(`input "${input.name}" takes encoded pictures: PNG, JPEG, WebP, GIF, TIFF and AVIF can be read`);
    }
    samples.push((await preprocess(task, { kind: wanted, bytes }, inputs)).inputs.get(input.name)!);
  }
  return batch(samples, input);
}

/** Samples of extent 1 along the first axis, one after the other. */
function batch(samples: readonly Tensor[], input: ValueInfo): Tensor {
  const [first, ...others] = samples as readonly [Tensor, ...Tensor[]];
  if (others.length === 0) return first;
  if (others.some(({ shape }) => String(shape) !== String(first.shape))) {
    throw invalid(`the elements of input "${input.name}" differ in size: send each in a request of its own`);
  }
  const shape = [samples.length, ...first.shape.slice(1)];
  return fitInput({ type: first.type, shape, bytes: Buffer.concat(samples.map(({ bytes }) => bytes)) }, input);
}
