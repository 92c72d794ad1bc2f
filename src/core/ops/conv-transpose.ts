/** ConvTranspose: cut along batch, output channels (by group) and every spatial axis. */
import { interval, length, whole, type Interval } from '../geometry/interval.ts';
import { volume } from '../geometry/region.ts';
import { intAttribute, intsAttribute, stringAttribute } from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';
import { groupsAround } from './conv.ts';
import { int, ints, regionInput, type NodeFacts, type OpRule } from './rule.ts';
import { windowExtent, windowsOf, type Window } from './window.ts';

interface TransposedFacts {
  readonly data: Shape;
  readonly weight: Shape;
  readonly group: number;
  /** `before` and `after` count what is cut off the result at either end. */
  readonly windows: readonly Window[];
  readonly outputPadding: readonly number[];
}

/** Elements along an axis before anything is cut off. */
const fullExtent = (window: Window, input: number, outputPadding: number): number =>
  (input - 1) * window.stride + windowExtent(window) + outputPadding;

function transposedFacts(facts: NodeFacts): TransposedFacts {
  const { node } = facts;
  const data = facts.inputs[0]!;
  const weight = facts.inputs[1]!;
  const kernel = intsAttribute(node, 'kernel_shape') ?? weight.slice(2);
  const outputPadding = intsAttribute(node, 'output_padding') ?? kernel.map(() => 0);
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET');
  const wanted = intsAttribute(node, 'output_shape')?.slice(-kernel.length);
  const isSame = autoPad.startsWith('SAME');
  const axes = windowsOf(facts, kernel, data.slice(2)).map((window, axis) => {
    const padding = outputPadding[axis]!;
    const target = wanted?.[axis] ?? (isSame ? data[axis + 2]! * window.stride : undefined);
    if (target === undefined) return { window, padding };
    const excess = fullExtent(window, data[axis + 2]!, padding) - target;
    const total = Math.max(0, excess);
    const small = Math.floor(total / 2);
    const [before, after] = autoPad === 'SAME_UPPER' ? [small, total - small] : [total - small, small];
    return { window: { ...window, before, after }, padding: padding + Math.max(0, -excess) };
  });
  return {
    data,
    weight,
    group: intAttribute(node, 'group', 1),
    windows: axes.map(({ window }) => window),
    outputPadding: axes.map(({ padding }) => padding),
  };
}

/**
 * The inputs that reach an interval of outputs, and how much of what they make must be cut off or filled up.
 * @param isWhole the interval is all outputs along the axis; it may then begin or end in a gap between windows.
 */
export function sourceField(
  window: Window,
  output: Interval,
  extent: number,
  isWhole = false,
): { readonly input: Interval; readonly before: number; readonly after: number } {
  const reach = windowExtent(window);
  const first = Math.ceil((output.start + window.before - reach + 1) / window.stride);
  const last = Math.floor((output.end - 1 + window.before) / window.stride);
  const start = Math.min(Math.max(0, first), extent - 1);
  const input = isWhole ? whole(extent) : interval(start, Math.max(start + 1, Math.min(extent, last + 1)));
  const madeStart = input.start * window.stride - window.before;
  const madeEnd = (input.end - 1) * window.stride - window.before + reach;
  return { input, before: output.start - madeStart, after: madeEnd - output.end };
}

export const convTranspose: OpRule = {
  outputs: (facts) => {
    const { data, weight, group, windows, outputPadding } = transposedFacts(facts);
    const spatial = windows.map(
      (window, axis) => fullExtent(window, data[axis + 2]!, outputPadding[axis]!) - window.before - window.after,
    );
    return [{ shape: [data[0]!, weight[1]! * group, ...spatial], type: facts.inputTypes[0]! }];
  },
  // A stride that leaves gaps between windows makes outputs that no input reaches: a tile cannot begin there.
  cuttable: (node) => {
    const { windows } = transposedFacts(node);
    return [true, true, ...windows.map((window) => windowExtent(window) >= window.stride)];
  },
  local: (node, region) => {
    const { data, weight, group, windows } = transposedFacts(node);
    const fields = windows.map((window, axis) => {
      const own = region[axis + 2]!;
      return sourceField(window, own, data[axis + 2]!, length(own) === node.outputs[0]![axis + 2]);
    });
    const channels = groupsAround(region[1]!, weight[1]! * group, data[1]!, group);
    const weightOutputs = group === 1 ? channels.output : whole(weight[1]!);
    return {
      region: [region[0]!, channels.output, ...region.slice(2)],
      inputs: [
        regionInput([region[0]!, channels.input, ...fields.map((field) => field.input)]),
        regionInput([channels.input, weightOutputs, ...weight.slice(2).map(whole)]),
        ...(node.inputs[2] === undefined ? [] : [regionInput([channels.output])]),
      ],
      attributes: {
        pads: ints(
          ...fields.map((field) => Math.max(0, field.before)),
          ...fields.map((field) => Math.max(0, field.after)),
        ),
        output_padding: ints(...fields.map((field) => Math.max(0, -field.after))),
        output_shape: undefined,
        auto_pad: undefined,
        group: int(channels.groups),
      },
    };
  },
  macs: (node, region) => {
    const weight = node.inputs[1]!;
    const strideProduct = (intsAttribute(node.node, 'strides') ?? []).reduce((product, stride) => product * stride, 1);
    const kernel = weight.slice(2).reduce((product, extent) => product * extent, 1);
    return (volume(region) * (weight[0]! / intAttribute(node.node, 'group', 1)) * kernel) / strideProduct;
  },
};
