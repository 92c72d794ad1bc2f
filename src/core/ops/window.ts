/**
 * Sliding-window geometry, one axis at a time: the receptive field of an interval of outputs.
 * Source: ONNX operator specification, Conv and the pooling operators.
 */
import { isEmpty, whole, type Interval } from '../geometry/interval.ts';
import { intsAttribute, stringAttribute } from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';
import type { NodeFacts } from './rule.ts';

/** A window along one axis. `before` and `after` count the padding at either end of the map. */
export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** The part of the input under a window, and how far it reaches over either border. */
export interface ReceptiveField {
  readonly input: Interval;
  readonly before: number;
  readonly after: number;
}

/** How far a dilated kernel reaches, in input elements. */
export const windowExtent = (window: Window): number => (window.kernel - 1) * window.dilation + 1;

/** Number of outputs along the axis. With `ceil`, a last window that starts inside the map or its left padding counts. */
export function outputExtent(window: Window, input: number, ceil = false): number {
  const room = input + window.before + window.after - windowExtent(window);
  if (room < 0) return 0;
  if (!ceil) return Math.floor(room / window.stride) + 1;
  const count = Math.ceil(room / window.stride) + 1;
  return (count - 1) * window.stride >= input + window.before ? count - 1 : count;
}

/**
 * Which inputs a non-empty interval of outputs reads. It must have a window that reaches into the map (`reaching`); where no
 * output has, it is all outputs, and they read nothing but padding.
 */
export function receptiveField(window: Window, output: Interval, extent: number): ReceptiveField {
  const start = output.start * window.stride - window.before;
  const end = (output.end - 1) * window.stride - window.before + windowExtent(window);
  const input = { start: Math.max(0, start), end: Math.min(extent, end) };
  if (isEmpty(input)) return { input: whole(extent), before: window.before, after: window.after };
  return { input, before: input.start - start, after: end - input.end };
}

/**
 * An interval of outputs, widened until one of its windows reaches into the map: an operator cannot run on padding alone.
 * @param extent inputs along the axis. @param outputs outputs along the axis.
 */
export function reaching(window: Window, output: Interval, extent: number, outputs: number): Interval {
  const first = Math.floor((window.before - windowExtent(window)) / window.stride) + 1;
  const last = Math.ceil((extent + window.before) / window.stride) - 1;
  if (first > last || first >= outputs) return whole(outputs);
  return {
    start: Math.max(0, Math.min(output.start, last)),
    end: Math.min(outputs, Math.max(output.end, first + 1)),
  };
}

/** The windows of a Conv or pooling node, outermost spatial axis first, `auto_pad` resolved for these input extents. */
export function windowsOf(facts: NodeFacts, kernel: Shape, spatial: Shape): Window[] {
  const { node } = facts;
  const stridesOf = intsAttribute(node, 'strides');
  const dilationsOf = intsAttribute(node, 'dilations');
  const pads = intsAttribute(node, 'pads');
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET');
  return kernel.map((size, axis) => {
    const window = {
      kernel: size,
      stride: stridesOf?.[axis] ?? 1,
      dilation: dilationsOf?.[axis] ?? 1,
      before: pads?.[axis] ?? 0,
      after: pads?.[axis + kernel.length] ?? 0,
    };
    if (autoPad === 'VALID') return { ...window, before: 0, after: 0 };
    if (autoPad !== 'SAME_UPPER' && autoPad !== 'SAME_LOWER') return window;
    const count = Math.ceil(spatial[axis]! / window.stride);
    const total = Math.max(0, (count - 1) * window.stride + windowExtent(window) - spatial[axis]!);
    const small = Math.floor(total / 2);
    return autoPad === 'SAME_UPPER'
      ? { ...window, before: small, after: total - small }
      : { ...window, before: total - small, after: small };
  });
}
