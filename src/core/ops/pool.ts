/** MaxPool, AveragePool and LpPool: cut along batch, channels and every spatial axis. */
import { volume, type Region } from '../geometry/region.ts';
import { intAttribute, intsAttribute } from '../graph/graph.ts';
import { int, ints, regionInput, type BoundNode, type LocalNode, type NodeFacts, type OpRule } from './rule.ts';
import { outputExtent, reaching, receptiveField, windowsOf, type Window } from './window.ts';

const windowsOfPool = (facts: NodeFacts): Window[] =>
  windowsOf(facts, intsAttribute(facts.node, 'kernel_shape') ?? [], facts.inputs[0]!.slice(2));

const isCeil = (facts: NodeFacts): boolean => intAttribute(facts.node, 'ceil_mode', 0) === 1;

/**
 * A tile at the end of the map keeps the padding and the rounding of the whole, so that a last window that reaches past the
 * padding is treated there as it is in the whole. Any other tile pads nothing at its end, and rounding changes nothing.
 */
function local(node: BoundNode, region: Region): LocalNode {
  const data = node.inputs[0]!;
  const shape = node.outputs[0]!;
  const windows = windowsOfPool(node);
  const outputs = windows.map((window, axis) => reaching(window, region[axis + 2]!, data[axis + 2]!, shape[axis + 2]!));
  const fields = windows.map((window, axis) => {
    const extent = data[axis + 2]!;
    const field = receptiveField(window, outputs[axis]!, extent);
    if (outputs[axis]!.end < shape[axis + 2]!) return field;
    return { ...field, input: { start: field.input.start, end: extent }, after: window.after };
  });
  return {
    region: [region[0]!, region[1]!, ...outputs],
    inputs: [regionInput([region[0]!, region[1]!, ...fields.map((field) => field.input)])],
    attributes: {
      pads: ints(...fields.map((field) => field.before), ...fields.map((field) => field.after)),
      auto_pad: undefined,
      ceil_mode: node.node.attributes.ceil_mode === undefined ? undefined : int(isCeil(node) ? 1 : 0),
    },
  };
}

export const pool: OpRule = {
  outputs: (facts) => {
    const data = facts.inputs[0]!;
    const spatial = windowsOfPool(facts).map((window, axis) => outputExtent(window, data[axis + 2]!, isCeil(facts)));
    const shape = [data[0]!, data[1]!, ...spatial];
    return facts.node.outputs.map((_, index) => ({ shape, type: index === 0 ? facts.inputTypes[0]! : 'int64' }));
  },
  // The second output of MaxPool holds indices into the whole map, which a tile does not know.
  cuttable: (node) => node.outputs[0]!.map(() => node.node.outputs.length === 1),
  local,
  macs: (node, region) => volume(region) * windowsOfPool(node).reduce((product, window) => product * window.kernel, 1),
};
