/** MaxPool, AveragePool and LpPool: cut along batch, channels and every spatial axis. */
import { volume, type Region } from '../geometry/region.ts';
import { intAttribute, intsAttribute } from '../graph/graph.ts';
import { int, ints, regionInput, type BoundNode, type LocalNode, type NodeFacts, type OpRule } from './rule.ts';
import { outputExtent, receptiveField, windowExtent, windowsOf, type Window } from './window.ts';

const windowsOfPool = (facts: NodeFacts): Window[] =>
  windowsOf(facts, intsAttribute(facts.node, 'kernel_shape') ?? [], facts.inputs[0]!.slice(2));

const isCeil = (facts: NodeFacts): boolean => intAttribute(facts.node, 'ceil_mode', 0) === 1;

/** Whether the last window reaches past the padding: it is then not averaged over its full size. */
function overflows(window: Window, input: number, output: number): boolean {
  return (output - 1) * window.stride + windowExtent(window) > input + window.before + window.after;
}

function local(node: BoundNode, region: Region): LocalNode {
  const data = node.inputs[0]!;
  const fields = windowsOfPool(node).map((window, axis) => receptiveField(window, region[axis + 2]!, data[axis + 2]!));
  return {
    region,
    inputs: [regionInput([region[0]!, region[1]!, ...fields.map((field) => field.input)])],
    attributes: {
      pads: ints(...fields.map((field) => field.before), ...fields.map((field) => field.after)),
      auto_pad: undefined,
      ceil_mode: node.node.attributes.ceil_mode === undefined ? undefined : int(0),
    },
  };
}

const rule = (canCutSpatial: (node: BoundNode, window: Window, axis: number) => boolean): OpRule => ({
  outputs: (facts) => {
    const data = facts.inputs[0]!;
    const spatial = windowsOfPool(facts).map((window, axis) => outputExtent(window, data[axis + 2]!, isCeil(facts)));
    const shape = [data[0]!, data[1]!, ...spatial];
    return facts.node.outputs.map((_, index) => ({ shape, type: index === 0 ? facts.inputTypes[0]! : 'int64' }));
  },
  // The second output of MaxPool holds indices into the whole map, which a tile does not know.
  cuttable: (node) =>
    node.node.outputs.length > 1
      ? node.outputs[0]!.map(() => false)
      : [true, true, ...windowsOfPool(node).map((window, axis) => canCutSpatial(node, window, axis + 2))],
  local,
  macs: (node, region) => volume(region) * windowsOfPool(node).reduce((product, window) => product * window.kernel, 1),
});

export const maxPool = rule(() => true);

export const averagePool = rule(
  (node, window, axis) =>
    intAttribute(node.node, 'count_include_pad', 0) === 0 ||
    !overflows(window, node.inputs[0]![axis]!, node.outputs[0]![axis]!),
);
