/** Conv in any number of spatial dimensions: cut along batch, output channels (by group) and every spatial axis. */
import { interval, whole, type Interval } from '../geometry/interval.ts';
import { volume, type Region } from '../geometry/region.ts';
import { intAttribute, intsAttribute } from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';
import { int, ints, regionInput, type BoundNode, type LocalNode, type NodeFacts, type OpRule } from './rule.ts';
import { outputExtent, receptiveField, windowsOf, type Window } from './window.ts';

interface ConvFacts {
  readonly data: Shape;
  readonly weight: Shape;
  readonly group: number;
  readonly windows: readonly Window[];
}

function convFacts(facts: NodeFacts): ConvFacts {
  const data = facts.inputs[0]!;
  const weight = facts.inputs[1]!;
  const kernel = intsAttribute(facts.node, 'kernel_shape') ?? weight.slice(2);
  return {
    data,
    weight,
    group: intAttribute(facts.node, 'group', 1),
    windows: windowsOf(facts, kernel, data.slice(2)),
  };
}

/** The whole groups that hold an interval of output channels, and the input channels they read. */
export function groupsAround(
  output: Interval,
  channelsOut: number,
  channelsIn: number,
  group: number,
): { readonly groups: number; readonly output: Interval; readonly input: Interval } {
  if (group === 1) return { groups: 1, output, input: whole(channelsIn) };
  const outPerGroup = channelsOut / group;
  const inPerGroup = channelsIn / group;
  const first = Math.floor(output.start / outPerGroup);
  const last = Math.ceil(output.end / outPerGroup);
  return {
    groups: last - first,
    output: interval(first * outPerGroup, last * outPerGroup),
    input: interval(first * inPerGroup, last * inPerGroup),
  };
}

function local(node: BoundNode, region: Region): LocalNode {
  const { data, weight, group, windows } = convFacts(node);
  const channels = groupsAround(region[1]!, weight[0]!, data[1]!, group);
  const fields = windows.map((window, axis) => receptiveField(window, region[axis + 2]!, data[axis + 2]!));
  return {
    region: [region[0]!, channels.output, ...region.slice(2)],
    inputs: [
      regionInput([region[0]!, channels.input, ...fields.map((field) => field.input)]),
      regionInput([channels.output, ...weight.slice(1).map(whole)]),
      ...(node.inputs[2] === undefined ? [] : [regionInput([channels.output])]),
    ],
    attributes: {
      pads: ints(...fields.map((field) => field.before), ...fields.map((field) => field.after)),
      auto_pad: undefined,
      group: int(channels.groups),
    },
  };
}

export const conv: OpRule = {
  outputs: (facts) => {
    const { data, weight, windows } = convFacts(facts);
    const spatial = windows.map((window, axis) => outputExtent(window, data[axis + 2]!));
    return [{ shape: [data[0]!, weight[0]!, ...spatial], type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local,
  macs: (node, region) => volume(region) * node.inputs[1]!.slice(1).reduce((product, extent) => product * extent, 1),
};
