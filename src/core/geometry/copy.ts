/** Moving boxes of elements between row-major buffers: the one primitive under slicing, halo exchange and stitching. */
import { ELEMENT_BYTES } from '../tensor/data-type.ts';
import { byteLength, strides, type Tensor } from '../tensor/tensor.ts';
import { contains, describe, regionShape, type Region } from './region.ts';
import { MeshError } from '../errors.ts';

/** Bytes that hold `region` of some larger tensor, row-major. */
export interface Patch {
  readonly region: Region;
  readonly bytes: Uint8Array;
}

/** Where the runs of a box lie in two buffers, in units of their elements. */
interface Runs {
  /** How many, along each axis outside the runs. */
  readonly counts: readonly number[];
  readonly length: number;
  readonly sourceSteps: readonly number[];
  readonly targetSteps: readonly number[];
}

type Units = Uint8Array | Uint32Array;

const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;
/** A loop moves shorter runs sooner than a call of `set` does: tiles side by side exchange columns a few elements wide. */
const LOOPED_UNITS = 32;

/**
 * Copies the elements of `box` from one patch to another. Both must contain it; coordinates are those of the full tensor.
 * Runs of elements that are contiguous in both are moved in one step.
 */
export function copyBox(source: Patch, target: Patch, box: Region, elementBytes: number): void {
  if (!contains(source.region, box) || !contains(target.region, box)) {
    throw new MeshError(
      'INTERNAL',
      `cannot copy ${describe(box)} from ${describe(source.region)} to ${describe(target.region)}`,
    );
  }
  const extents = regionShape(box);
  if (extents.includes(0)) return;
  const sourceShape = regionShape(source.region);
  const targetShape = regionShape(target.region);

  // The innermost axes that are full in both patches form one run; the next axis extends it by its own extent.
  let runAxis = extents.length - 1;
  while (runAxis > 0 && extents[runAxis] === sourceShape[runAxis] && extents[runAxis] === targetShape[runAxis])
    runAxis--;
  const areWords = elementBytes % WORD_BYTES === 0 && isOnWords(source.bytes) && isOnWords(target.bytes);
  const units = areWords ? elementBytes / WORD_BYTES : elementBytes;
  const sourceSteps = strides(sourceShape).map((step) => step * units);
  const targetSteps = strides(targetShape).map((step) => step * units);
  let length = units;
  for (let axis = Math.max(runAxis, 0); axis < extents.length; axis++) length *= extents[axis]!;
  let from = 0;
  let to = 0;
  for (let axis = 0; axis < extents.length; axis++) {
    from += (box[axis]!.start - source.region[axis]!.start) * sourceSteps[axis]!;
    to += (box[axis]!.start - target.region[axis]!.start) * targetSteps[axis]!;
  }
  const runs = { counts: extents.slice(0, Math.max(runAxis, 0)), length, sourceSteps, targetSteps };
  if (areWords) copyRuns(asWords(source.bytes), asWords(target.bytes), runs, 0, from, to);
  else copyRuns(source.bytes, target.bytes, runs, 0, from, to);
}

const isOnWords = ({ byteOffset, byteLength }: Uint8Array): boolean =>
  byteOffset % WORD_BYTES === 0 && byteLength % WORD_BYTES === 0;

const asWords = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, byteLength / WORD_BYTES);

function copyRuns(source: Units, target: Units, runs: Runs, axis: number, from: number, to: number): void {
  const { counts, length } = runs;
  const count = counts[axis] ?? 1;
  const fromStep = runs.sourceSteps[axis] ?? 0;
  const toStep = runs.targetSteps[axis] ?? 0;
  if (axis < counts.length - 1) {
    for (let index = 0; index < count; index++)
      copyRuns(source, target, runs, axis + 1, from + index * fromStep, to + index * toStep);
  } else if (length > LOOPED_UNITS) {
    for (let index = 0; index < count; index++) {
      const start = from + index * fromStep;
      target.set(source.subarray(start, start + length), to + index * toStep);
    }
  } else {
    for (let index = 0; index < count; index++) {
      const start = from + index * fromStep;
      const end = to + index * toStep;
      for (let unit = 0; unit < length; unit++) target[end + unit] = source[start + unit]!;
    }
  }
}

/** Whether the elements of a box lie next to each other in a patch that contains it. */
function isContiguous(patch: Region, box: Region): boolean {
  const first = box.findIndex(({ start, end }) => end - start !== 1);
  return box.every(
    ({ start, end }, axis) =>
      axis <= first || first === -1 || (start === patch[axis]!.start && end === patch[axis]!.end),
  );
}

/** `region` of a patch without copying where its elements lie next to each other: the result may share the patch's memory. */
export function borrow(type: Tensor['type'], source: Patch, region: Region): Tensor {
  const elementBytes = ELEMENT_BYTES[type];
  if (elementBytes === 0 || !contains(source.region, region) || !isContiguous(source.region, region)) {
    return extract(type, source, region);
  }
  const shape = regionShape(region);
  const steps = strides(regionShape(source.region));
  const offset = region.reduce((sum, { start }, axis) => sum + (start - source.region[axis]!.start) * steps[axis]!, 0);
  const from = offset * elementBytes;
  return { type, shape, bytes: source.bytes.subarray(from, from + byteLength(type, shape)) };
}

/** `region` of a tensor held as a patch, as a tensor of its own; the patch's own bytes where it is just that region. */
export function extract(type: Tensor['type'], source: Patch, region: Region): Tensor {
  const shape = regionShape(region);
  const size = byteLength(type, shape);
  if (size === source.bytes.byteLength && contains(source.region, region)) return { type, shape, bytes: source.bytes };
  const bytes = new Uint8Array(size);
  copyBox(source, { region, bytes }, region, ELEMENT_BYTES[type]);
  return { type, shape, bytes };
}
