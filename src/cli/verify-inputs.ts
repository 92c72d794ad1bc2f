/** What a model is verified with: arrays from a folder, or random ones of a seed that is told. */
import { join } from 'node:path';
import { readNpy } from '../../models/tasks/npy.ts';
import { MeshError } from '../core/errors.ts';
import type { Graph, ValueInfo } from '../core/graph/graph.ts';
import { elementCount, fromNumbers, type Shape, type Tensor } from '../core/tensor/tensor.ts';
import { UsageError } from './exit.ts';
import { readInput } from './input-file.ts';

export interface VerifyInputOptions {
  /** Folder with one `NAME.npy` for each input. */
  readonly inputs?: string;
  /** `name=1,3,224,224` each. */
  readonly shape: readonly string[];
  readonly seed?: number;
}

/** Sizes of open dimensions by rank, for those who name none. */
const BATCH = 1;
const CHANNELS = 3;
const SPATIAL = 64;
/** Indices that any table of some size holds. */
const INTEGER_LIMIT = 8;

/** @returns `note`: what was assumed, and how to say otherwise. */
export async function verifyInputs(
  graph: Graph,
  options: VerifyInputOptions,
): Promise<{ readonly inputs: ReadonlyMap<string, Tensor>; readonly note?: string }> {
  if (options.inputs !== undefined) {
    const folder = options.inputs;
    const read = graph.inputs.map(
      async ({ name }) => [name, readNpy(await readInput(join(folder, `${name}.npy`)))] as const,
    );
    return { inputs: new Map(await Promise.all(read)) };
  }
  const { shapes, note } = inputShapes(graph, options.shape);
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const inputs = graph.inputs.map(
    (input, index) => [input.name, randomTensor(input, shapes.get(input.name)!, seed + index)] as const,
  );
  return {
    inputs: new Map(inputs),
    note: `random inputs of seed ${seed}${note === undefined ? '' : `; ${note}`}`,
  };
}

/**
 * The shape of each input, from `name=1,3,224,224` or assumed where the model leaves sizes open.
 * @returns `note`: what was assumed, and how to say otherwise. @throws UsageError.
 */
export function inputShapes(
  graph: Pick<Graph, 'inputs'>,
  texts: readonly string[],
): { readonly shapes: ReadonlyMap<string, Shape>; readonly note?: string } {
  const given = parseShapes(graph, texts);
  const shapes = new Map(graph.inputs.map(({ name, dims }) => [name, given.get(name) ?? dims.map(assumedExtent)]));
  const assumed = graph.inputs.filter(
    ({ name, dims }) => !given.has(name) && dims.some((dim) => typeof dim === 'string'),
  );
  if (assumed.length === 0) return { shapes };
  const hints = assumed.map(({ name }) => `--shape ${name}=${shapes.get(name)!.join(',')}`);
  return { shapes, note: `sizes left open by the model are assumed, say otherwise with ${hints.join(' ')}` };
}

function assumedExtent(dim: number | string, axis: number, dims: readonly (number | string)[]): number {
  if (typeof dim === 'number') return dim;
  if (axis === 0) return BATCH;
  return axis === 1 && dims.length > 2 ? CHANNELS : SPATIAL;
}

function parseShapes(graph: Pick<Graph, 'inputs'>, texts: readonly string[]): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const text of texts) {
    const at = text.lastIndexOf('=');
    const name = text.slice(0, at);
    const shape = text
      .slice(at + 1)
      .split(',')
      .map(Number);
    if (at < 1 || !shape.every((extent) => Number.isSafeInteger(extent) && extent > 0)) {
      throw new UsageError(`--shape takes NAME=1,3,224,224, not "${text}"`);
    }
    if (!graph.inputs.some((input) => input.name === name)) {
      throw new UsageError(
        `the model has no input "${name}"; its inputs are: ${graph.inputs.map((input) => input.name).join(', ')}`,
      );
    }
    shapes.set(name, shape);
  }
  return shapes;
}

/** The same for the same seed. @throws MeshError INVALID_INPUT for types without numbers. */
export function randomTensor({ name, type }: ValueInfo, shape: Shape, seed: number): Tensor {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const isReal = type.startsWith('float');
  if (type === 'bfloat16' || type === 'string') {
    throw new MeshError('INVALID_INPUT', `input "${name}" is ${type}: give it as NAME.npy in a folder, with --inputs`);
  }
  const values = Array.from({ length: elementCount(shape) }, () =>
    isReal ? 2 * next() - 1 : Math.floor(next() * INTEGER_LIMIT),
  );
  return fromNumbers(type, shape, values);
}
