/** Gather (and so embeddings): cut along every axis; the gathered axis itself is needed in full. */
import { whole } from '../geometry/interval.ts';
import { intAttribute } from '../graph/graph.ts';
import { normalizeAxis, regionInput, type NodeFacts, type OpRule } from './rule.ts';

const axisOf = (facts: NodeFacts): number =>
  normalizeAxis(intAttribute(facts.node, 'axis', 0), facts.inputs[0]!.length);

export const gather: OpRule = {
  outputs: (facts) => {
    const axis = axisOf(facts);
    const [data, indices] = facts.inputs;
    return [{ shape: [...data!.slice(0, axis), ...indices!, ...data!.slice(axis + 1)], type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => {
    const axis = axisOf(node);
    const rank = node.inputs[1]!.length;
    const data = [...region.slice(0, axis), whole(node.inputs[0]![axis]!), ...region.slice(axis + rank)];
    return { region, inputs: [regionInput(data), regionInput(region.slice(axis, axis + rank))] };
  },
};

/** GridSample: the map is needed in full for any interval of the grid. */
export const gridSample: OpRule = {
  outputs: (facts) => {
    const [data, grid] = facts.inputs;
    return [{ shape: [...data!.slice(0, 2), ...grid!.slice(1, -1)], type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => {
    const [data, grid] = node.inputs;
    return {
      region,
      inputs: [
        regionInput([...region.slice(0, 2), ...data!.slice(2).map(whole)]),
        regionInput([region[0]!, ...region.slice(2), whole(grid!.at(-1)!)]),
      ],
    };
  },
};
