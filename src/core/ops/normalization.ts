/** Normalisations: cut along every axis that their statistics do not run over. */
import { whole } from '../geometry/interval.ts';
import { volume } from '../geometry/region.ts';
import { intAttribute } from '../graph/graph.ts';
import { normalizeAxis, regionInput, type NodeFacts, type OpRule } from './rule.ts';

const sameShape = (facts: NodeFacts) => [{ shape: facts.inputs[0]!, type: facts.inputTypes[0]! }];

/** Inference mode: one scale, bias, mean and variance for each channel. */
export const batchNormalization: OpRule = {
  outputs: (facts) => (facts.node.outputs.length === 1 ? sameShape(facts) : undefined),
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => ({
    region,
    inputs: node.inputs.map((_, index) => regionInput(index === 0 ? region : [region[1]!])),
  }),
  isPointwise: true,
};

/** Local response normalisation sums over neighbouring channels, so channels stay together. */
export const lrn: OpRule = {
  outputs: sameShape,
  cuttable: (node) => node.outputs[0]!.map((_, axis) => axis !== 1),
  local: (_, region) => ({ region, inputs: [regionInput(region)] }),
  macs: (node, region) => volume(region) * intAttribute(node.node, 'size', 1),
};

/** Statistics over the spatial axes of each channel of each image. */
export const instanceNormalization: OpRule = {
  outputs: sameShape,
  cuttable: (node) => node.outputs[0]!.map((_, axis) => axis < 2),
  local: (node, region) => ({
    region,
    inputs: node.inputs.map((_, index) => regionInput(index === 0 ? region : [region[1]!])),
  }),
};

/** Statistics over `axis` and all that follow. */
export const layerNormalization: OpRule = {
  outputs: (facts) => (facts.node.outputs.length === 1 ? sameShape(facts) : undefined),
  cuttable: (node) => {
    const rank = node.outputs[0]!.length;
    const first = normalizeAxis(intAttribute(node.node, 'axis', -1), rank);
    return node.outputs[0]!.map((_, axis) => axis < first);
  },
  local: (node, region) => ({
    region,
    inputs: node.inputs.map((shape, index) =>
      shape === undefined ? null : regionInput(index === 0 ? region : shape.map(whole)),
    ),
  }),
};

/** Softmax over one axis (opset 13 on) or over that axis and all that follow (before). */
export const softmax: OpRule = {
  outputs: sameShape,
  cuttable: (node) => {
    const rank = node.outputs[0]!.length;
    const isFlattening = node.opset < 13;
    const axis = normalizeAxis(intAttribute(node.node, 'axis', isFlattening ? 1 : -1), rank);
    return node.outputs[0]!.map((_, index) => (isFlattening ? index < axis : index !== axis));
  },
  local: (_, region) => ({ region, inputs: [regionInput(region)] }),
};
