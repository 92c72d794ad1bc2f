/**
 * Conv and its quantised forms in any number of spatial dimensions: cut along batch, output channels (by group) and every
 * spatial axis.
 */
import { interval, whole, type Interval } from '../geometry/interval.ts';
import { volume, type Region } from '../geometry/region.ts';
import { intAttribute, intsAttribute } from '../graph/graph.ts';
import type { DataType } from '../tensor/data-type.ts';
import type { Shape } from '../tensor/tensor.ts';
import {
  int,
  ints,
  misfit,
  regionInput,
  wholeInput,
  type BoundNode,
  type LocalInput,
  type LocalNode,
  type NodeFacts,
  type OpRule,
} from './rule.ts';
import { outputExtent, reaching, receptiveField, windowsOf, type Window } from './window.ts';

/** Where the inputs stand, and what the result is made of. */
interface Form {
  readonly weight: number;
  /** Inputs that hold one value for each output channel, or one for all. */
  readonly perChannel: readonly number[];
  readonly type: (facts: NodeFacts) => DataType | undefined;
}

interface ConvFacts {
  readonly data: Shape;
  readonly weight: Shape;
  readonly group: number;
  readonly windows: readonly Window[];
}

function convFacts(facts: NodeFacts, form: Form): ConvFacts {
  const data = facts.inputs[0]!;
  const weight = facts.inputs[form.weight]!;
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

function local(node: BoundNode, region: Region, form: Form): LocalNode {
  const { data, weight, group, windows } = convFacts(node, form);
  const channels = groupsAround(region[1]!, weight[0]!, data[1]!, group);
  const extents = node.outputs[0]!.slice(2);
  const outputs = windows.map((window, axis) => reaching(window, region[axis + 2]!, data[axis + 2]!, extents[axis]!));
  const fields = windows.map((window, axis) => receptiveField(window, outputs[axis]!, data[axis + 2]!));
  const input = (shape: Shape | undefined, position: number): LocalInput | null => {
    if (position === 0) return regionInput([region[0]!, channels.input, ...fields.map((field) => field.input)]);
    if (position === form.weight) return regionInput([channels.output, ...weight.slice(1).map(whole)]);
    const isPerChannel = form.perChannel.includes(position) && shape?.length === 1 && shape[0] === weight[0];
    return isPerChannel ? regionInput([channels.output]) : wholeInput(shape);
  };
  return {
    region: [region[0]!, channels.output, ...outputs],
    inputs: node.inputs.map(input),
    attributes: {
      pads: ints(...fields.map((field) => field.before), ...fields.map((field) => field.after)),
      auto_pad: undefined,
      group: int(channels.groups),
    },
  };
}

const rule = (form: Form): OpRule => ({
  outputs: (facts) => {
    const { data, weight, group, windows } = convFacts(facts, form);
    const type = form.type(facts);
    if (type === undefined || data.length < 3 || data.length !== weight.length) return undefined;
    if (data[1] !== weight[1]! * group || weight[0]! % group !== 0) {
      throw misfit(facts, `${data[1]!} channels in ${group} groups do not go with weights of [${weight.join(', ')}]`);
    }
    if (windows.some(({ kernel }, axis) => kernel !== weight[axis + 2])) {
      throw misfit(facts, `its kernel_shape is not that of weights of [${weight.join(', ')}]`);
    }
    const spatial = windows.map((window, axis) => outputExtent(window, data[axis + 2]!));
    return [{ shape: [data[0]!, weight[0]!, ...spatial], type }];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => local(node, region, form),
  macs: (node, region) =>
    volume(region) * node.inputs[form.weight]!.slice(1).reduce((product, extent) => product * extent, 1),
});

export const conv = rule({ weight: 1, perChannel: [2], type: (facts) => facts.inputTypes[0] });
export const convInteger = rule({ weight: 1, perChannel: [3], type: () => 'int32' });
export const qLinearConv = rule({ weight: 3, perChannel: [4, 5, 8], type: (facts) => facts.inputTypes[7] });
