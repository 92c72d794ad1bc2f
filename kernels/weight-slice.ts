/** Weight slices on disk: which are one run of bytes in the weight file, and how to read those that are not. */
import { closeSync, openSync, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { MeshError } from '../src/core/errors.ts';
import { length } from '../src/core/geometry/interval.ts';
import { regionShape, volume } from '../src/core/geometry/region.ts';
import type { Program, WeightSlice } from '../src/core/program/program.ts';
import { ELEMENT_BYTES } from '../src/core/tensor/data-type.ts';
import { byteLength, strides, type Tensor } from '../src/core/tensor/tensor.ts';
import type { WeightFile } from './kernel.ts';

export const sliceBytes = (slice: WeightSlice): number => volume(slice.region) * ELEMENT_BYTES[slice.type];

/** Byte offset in the weight file of the first element of the slice. */
export function sliceOffset(slice: WeightSlice): number {
  const steps = strides(slice.shape);
  const elements = slice.region.reduce((sum, interval, axis) => sum + interval.start * steps[axis]!, 0);
  return slice.offset + elements * ELEMENT_BYTES[slice.type];
}

/** The first axis from which on the slice takes all of the weight: what lies inside it is one run of bytes. */
function runAxis(slice: WeightSlice): number {
  let axis = slice.shape.length;
  while (axis > 0 && length(slice.region[axis - 1]!) === slice.shape[axis - 1]) axis--;
  return Math.max(axis - 1, 0);
}

/** Whether the slice is one run of bytes of the weight file: cut along its outermost axis of more than one index only. */
export function isContiguous(slice: WeightSlice): boolean {
  return slice.region.slice(0, runAxis(slice)).every((interval) => length(interval) === 1);
}

/**
 * Reads slices of one weight file, each run by run into a buffer of its own. Blocks: a slice may consist of tens of
 * thousands of runs, for which waiting costs ten times what reading does.
 * @throws MeshError STORAGE_FAILED when the file cannot be opened, or ends before a slice does.
 */
export function readSlices(path: string, slices: readonly WeightSlice[]): Tensor[] {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    throw new MeshError('STORAGE_FAILED', `cannot open the weight file ${path}; fetch the model again`, { cause });
  }
  try {
    return slices.map((slice) => readSlice(file, slice));
  } finally {
    closeSync(file);
  }
}

function readSlice(file: number, slice: WeightSlice): Tensor {
  const shape = regionShape(slice.region);
  const bytes = new Uint8Array(byteLength(slice.type, shape));
  const steps = strides(slice.shape);
  const lastAxis = runAxis(slice);
  const run = shape.slice(lastAxis).reduce((product, extent) => product * extent, ELEMENT_BYTES[slice.type]);
  let filled = 0;
  const read = (axis: number, position: number): void => {
    if (axis >= lastAxis) {
      readFully(file, bytes.subarray(filled, filled + run), position);
      filled += run;
      return;
    }
    for (let index = 0; index < shape[axis]!; index++) {
      read(axis + 1, position + index * steps[axis]! * ELEMENT_BYTES[slice.type]);
    }
  };
  if (bytes.byteLength > 0) read(0, sliceOffset(slice));
  return { type: slice.type, shape, bytes };
}

/** One read of a file returns 2 GiB at most. */
const MAX_READ_BYTES = 1 << 30;

function readFully(file: number, target: Uint8Array, position: number): void {
  for (let done = 0; done < target.byteLength;) {
    const size = Math.min(target.byteLength - done, MAX_READ_BYTES);
    const bytesRead = readSync(file, target, done, size, position + done);
    if (bytesRead === 0) {
      throw new MeshError('STORAGE_FAILED', 'the weight file ends before the weights do; fetch the model again');
    }
    done += bytesRead;
  }
}

/**
 * That `weights` holds every byte the program's slices name.
 * @throws MeshError STORAGE_FAILED with what is missing.
 */
export async function checkWeightFile(program: Program, weights: WeightFile | null): Promise<void> {
  if (program.weights.size === 0) return;
  if (weights === null) {
    throw new MeshError('STORAGE_FAILED', `program ${program.key} has weights, but no weight file was given`);
  }
  const { size } = await stat(weights.path).catch((cause: unknown) => {
    throw new MeshError('STORAGE_FAILED', `the weight file ${weights.path} is not there; fetch the model again`, {
      cause,
    });
  });
  for (const slice of program.weights.values()) {
    const steps = strides(slice.shape);
    const last = slice.region.reduce((sum, interval, axis) => sum + (interval.end - 1) * steps[axis]!, 0);
    const end = slice.offset + (last + 1) * ELEMENT_BYTES[slice.type];
    if (sliceBytes(slice) === 0 || end <= size) continue;
    throw new MeshError(
      'STORAGE_FAILED',
      `the weight file ${weights.path} has ${size} bytes, but weight "${slice.weight}" ends at ${end}; fetch the model again`,
      { details: { weight: slice.weight } },
    );
  }
}
