/** ConvTranspose: cut along batch, output channels (ungrouped) and every spatial axis. */
import { interval, whole, type Interval } from '../geometry/interval.ts';
import { volume } from '../geometry/region.ts';
import { intAttribute, intsAttribute, stringAttribute } from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';
import { ints, regionInput, type NodeFacts, type OpRule } from './rule.ts';
import { windowExtent, windowsOf, type Window } from './window.ts';

interface TransposedFacts {
  readonly data: Shape;
  readonly weight: Shape;
  readonly group: number;
  readonly windows: readonly Window[];
  readonly outputPadding: readonly number[];
}

/** Undefined where the padding follows from a wanted output shape (`auto_pad`, `output_shape`). */
function transposedFacts(facts: NodeFacts): TransposedFacts | undefined {
  const data = facts.inputs[0]!;
  const weight = facts.inputs[1]!;
  const autoPad = stringAttribute(facts.node, 'auto_pad', 'NOTSET');
  if (facts.node.attributes.output_shape !== undefined || autoPad.startsWith('SAME')) return undefined;
  const kernel = intsAttribute(facts.node, 'kernel_shape') ?? weight.slice(2);
  return {
    data,
    weight,
    group: intAttribute(facts.node, 'group', 1),
    windows: windowsOf(facts, kernel, data.slice(2)),
    outputPadding: intsAttribute(facts.node, 'output_padding') ?? kernel.map(() => 0),
  };
}

/** The inputs that reach an interval of outputs, and how much of what they make must be cut off or filled up. */
function sourceField(
  window: Window,
  output: Interval,
  extent: number,
): { readonly input: Interval; readonly before: number; readonly after: number } {
  const reach = windowExtent(window);
  const first = Math.ceil((output.start + window.before - reach + 1) / window.stride);
  const last = Math.floor((output.end - 1 + window.before) / window.stride);
  const start = Math.min(Math.max(0, first), extent - 1);
  const input = interval(start, Math.max(start + 1, Math.min(extent, last + 1)));
  const madeStart = input.start * window.stride - window.before;
  const madeEnd = (input.end - 1) * window.stride - window.before + reach;
  return { input, before: output.start - madeStart, after: madeEnd - output.end };
}

export const convTranspose: OpRule = {
  outputs: (facts) => {
    const found = transposedFacts(facts);
    if (found === undefined) return undefined;
    const spatial = found.windows.map(
      (window, axis) =>
        (found.data[axis + 2]! - 1) * window.stride +
        windowExtent(window) +
        found.outputPadding[axis]! -
        window.before -
        window.after,
    );
    const channels = found.weight[1]! * found.group;
    return [{ shape: [found.data[0]!, channels, ...spatial], type: facts.inputTypes[0]! }];
  },
  // A stride that leaves gaps between windows makes outputs that no input reaches: a tile cannot begin there.
  cuttable: (node) => {
    const { group, windows } = transposedFacts(node)!;
    const spatial = windows.map((window) => windowExtent(window) >= window.stride);
    return [true, group === 1, ...spatial];
  },
  local: (node, region) => {
    const { data, weight, group, windows } = transposedFacts(node)!;
    const fields = windows.map((window, axis) => sourceField(window, region[axis + 2]!, data[axis + 2]!));
    const outputChannels = group === 1 ? region[1]! : whole(weight[1]!);
    return {
      region,
      inputs: [
        regionInput([region[0]!, whole(data[1]!), ...fields.map((field) => field.input)]),
        regionInput([whole(weight[0]!), outputChannels, ...weight.slice(2).map(whole)]),
        ...(node.inputs[2] === undefined ? [] : [regionInput([region[1]!])]),
      ],
      attributes: {
        pads: ints(
          ...fields.map((field) => Math.max(0, field.before)),
          ...fields.map((field) => Math.max(0, field.after)),
        ),
        output_padding: ints(...fields.map((field) => Math.max(0, -field.after))),
        auto_pad: undefined,
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
