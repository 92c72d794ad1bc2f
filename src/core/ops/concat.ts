/** Concat: cut along any axis; along the joined one a part needs just the inputs it overlaps. */
import { intersect, isEmpty, shift, whole } from '../geometry/interval.ts';
import { replaceAxis } from '../geometry/region.ts';
import { intAttribute } from '../graph/graph.ts';
import { normalizeAxis, regionInput, type NodeFacts, type OpRule } from './rule.ts';

const axisOf = (facts: NodeFacts): number =>
  normalizeAxis(intAttribute(facts.node, 'axis', 1), facts.inputs[0]!.length);

export const concat: OpRule = {
  outputs: (facts) => {
    const axis = axisOf(facts);
    const joined = facts.inputs.reduce((sum, shape) => sum + shape![axis]!, 0);
    return [
      {
        shape: facts.inputs[0]!.map((extent, index) => (index === axis ? joined : extent)),
        type: facts.inputTypes[0]!,
      },
    ];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => {
    const axis = axisOf(node);
    let offset = 0;
    const inputs = node.inputs.map((shape) => {
      const extent = shape![axis]!;
      const own = intersect(shift(region[axis]!, -offset), whole(extent));
      offset += extent;
      return isEmpty(own) ? null : regionInput(replaceAxis(region, axis, own));
    });
    return { region, inputs };
  },
};
