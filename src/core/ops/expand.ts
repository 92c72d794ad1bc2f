/** Expand and Tile: the same elements, more than once. */
import { whole } from '../geometry/interval.ts';
import { regionShape } from '../geometry/region.ts';
import { fromInt64, numberValues, type Shape } from '../tensor/tensor.ts';
import { broadcastRegion, broadcastShapes } from './elementwise.ts';
import { parameterInput, regionInput, wholeInput, type NodeFacts, type OpRule } from './rule.ts';

const target = (facts: NodeFacts): Shape | undefined => {
  const given = facts.constants[1];
  return given && broadcastShapes([facts.inputs[0]!, numberValues(given)]);
};

export const expand: OpRule = {
  outputs: (facts) => {
    const shape = target(facts);
    return shape && [{ shape, type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => ({
    region,
    inputs: [
      regionInput(broadcastRegion(region, node.outputs[0]!, node.inputs[0]!)),
      parameterInput(fromInt64([region.length], regionShape(region))),
    ],
  }),
  isPointwise: true,
};

/** Cut along the axes that are not repeated. */
export const tile: OpRule = {
  outputs: (facts) => {
    const repeats = facts.constants[1];
    if (repeats === undefined) return undefined;
    const times = numberValues(repeats);
    return [{ shape: facts.inputs[0]!.map((extent, axis) => extent * times[axis]!), type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => node.outputs[0]!.map((extent, axis) => extent === node.inputs[0]![axis]),
  local: (node, region) => {
    const needed = node.inputs[0]!.map((extent, axis) =>
      extent === node.outputs[0]![axis] ? region[axis]! : whole(extent),
    );
    return { region, inputs: [regionInput(needed), wholeInput(node.inputs[1])] };
  },
};
