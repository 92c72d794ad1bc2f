/** Sliding windows of convolutions and pools: kernel, strides, dilations and padding along every spatial axis. */
import { intAttribute, intsAttribute, stringAttribute, type Node } from '../../src/core/graph/graph.ts';
import { indicesOf } from './operator.ts';

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padBegin: readonly number[];
  readonly padEnd: readonly number[];
  /** Spatial extents of the output. */
  readonly output: readonly number[];
  /** Every position in the kernel. */
  readonly taps: readonly (readonly number[])[];
}

export function windowOf(node: Node, extents: readonly number[], kernel: readonly number[]): Window {
  const rank = extents.length;
  const ones = kernel.map(() => 1);
  const strides = intsAttribute(node, 'strides') ?? ones;
  const dilations = intsAttribute(node, 'dilations') ?? ones;
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET');
  const pads = intsAttribute(node, 'pads') ?? new Array<number>(2 * rank).fill(0);
  const isCeil = intAttribute(node, 'ceil_mode', 0) === 1;
  const axes = extents.map((extent, axis) => {
    const stride = strides[axis]!;
    const reach = (kernel[axis]! - 1) * dilations[axis]! + 1;
    if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') {
      const output = Math.ceil(extent / stride);
      const total = Math.max((output - 1) * stride + reach - extent, 0);
      const begin = autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      return { begin, end: total - begin, output };
    }
    const begin = autoPad === 'VALID' ? 0 : pads[axis]!;
    const end = autoPad === 'VALID' ? 0 : pads[axis + rank]!;
    const steps = (extent + begin + end - reach) / stride;
    let output = (isCeil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A window that starts behind the input and its first padding would see nothing.
    if (isCeil && (output - 1) * stride >= extent + begin) output--;
    return { begin, end, output };
  });
  return {
    kernel,
    strides,
    dilations,
    padBegin: axes.map(({ begin }) => begin),
    padEnd: axes.map(({ end }) => end),
    output: axes.map(({ output }) => Math.max(output, 0)),
    taps: indicesOf(kernel),
  };
}

/** Where in the input the window at `output` has its tap; outside of the input where it looks at padding. */
export const tapPosition = (window: Window, output: readonly number[], tap: readonly number[]): number[] =>
  tap.map(
    (step, axis) => output[axis]! * window.strides[axis]! + step * window.dilations[axis]! - window.padBegin[axis]!,
  );

export const isInside = (position: readonly number[], extents: readonly number[]): boolean =>
  position.every((coordinate, axis) => coordinate >= 0 && coordinate < extents[axis]!);
