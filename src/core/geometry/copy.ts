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
  const rank = extents.length;
  const sourceShape = regionShape(source.region);
  const targetShape = regionShape(target.region);
  const sourceStrides = strides(sourceShape);
  const targetStrides = strides(targetShape);

  // The innermost axes that are full in both patches form one run; the next axis extends it by its own extent.
  let runAxis = rank - 1;
  while (runAxis > 0 && extents[runAxis] === sourceShape[runAxis] && extents[runAxis] === targetShape[runAxis])
    runAxis--;
  let run = elementBytes;
  for (let axis = Math.max(runAxis, 0); axis < rank; axis++) run *= extents[axis]!;

  let sourceOffset = 0;
  let targetOffset = 0;
  for (let axis = 0; axis < rank; axis++) {
    sourceOffset += (box[axis]!.start - source.region[axis]!.start) * sourceStrides[axis]! * elementBytes;
    targetOffset += (box[axis]!.start - target.region[axis]!.start) * targetStrides[axis]! * elementBytes;
  }
  const copyFrom = (axis: number, from: number, to: number): void => {
    if (axis >= runAxis) {
      target.bytes.set(source.bytes.subarray(from, from + run), to);
      return;
    }
    const fromStep = sourceStrides[axis]! * elementBytes;
    const toStep = targetStrides[axis]! * elementBytes;
    for (let index = 0; index < extents[axis]!; index++)
      copyFrom(axis + 1, from + index * fromStep, to + index * toStep);
  };
  copyFrom(0, sourceOffset, targetOffset);
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
