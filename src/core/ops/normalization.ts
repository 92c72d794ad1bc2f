/** Normalisations: cut along every axis that their statistics do not run over. */
import { interval, length } from '../geometry/interval.ts';
import { replaceAxis, volume } from '../geometry/region.ts';
import { intAttribute } from '../graph/graph.ts';
import { numberValues } from '../tensor/tensor.ts';
import { broadcastRegion } from './elementwise.ts';
import { int, normalizeAxis, regionInput, wholeInput, type NodeFacts, type OpRule, type OutputFact } from './rule.ts';

const sameShape = (facts: NodeFacts): OutputFact[] => [{ shape: facts.inputs[0]!, type: facts.inputTypes[0]! }];

const countOutputs = (facts: NodeFacts): number => facts.node.outputs.filter((name) => name !== '').length;

/** Inference mode: one scale, bias, mean and variance for each channel, or (before operator set 9) for each activation. */
export const batchNormalization: OpRule = {
  outputs: (facts) => {
    const isTraining = intAttribute(facts.node, 'training_mode', 0) === 1 || countOutputs(facts) > 1;
    return isTraining || facts.inputs[0]!.length < 2 ? undefined : sameShape(facts);
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => ({
    region,
    inputs: node.inputs.map((shape, index) =>
      index === 0 ? regionInput(region) : regionInput(region.slice(1, 1 + shape!.length)),
    ),
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

/** Statistics over the spatial axes and the channels of each group. */
export const groupNormalization: OpRule = {
  outputs: sameShape,
  cuttable: (node) => node.outputs[0]!.map((_, axis) => axis < 2),
  local: (node, region) => {
    const groups = intAttribute(node.node, 'num_groups', 1);
    const channels = node.inputs[0]![1]!;
    const perGroup = channels / groups;
    const around = interval(Math.floor(region[1]!.start / perGroup), Math.ceil(region[1]!.end / perGroup));
    const own = interval(around.start * perGroup, around.end * perGroup);
    const produced = replaceAxis(region, 1, own);
    return {
      region: produced,
      // Scale and bias are per channel from operator set 21 on, per group before.
      inputs: node.inputs.map((shape, index) =>
        regionInput(index === 0 ? produced : [shape![0] === channels ? own : around]),
      ),
      attributes: { num_groups: int(length(around)) },
    };
  },
};

/** Statistics over `axis` and all that follow. */
export const layerNormalization: OpRule = {
  outputs: (facts) => {
    const first = normalizedFrom(facts);
    const statistics = facts.inputs[0]!.map((extent, axis) => (axis < first ? extent : 1));
    return facts.node.outputs.map((_, index) =>
      index === 0 ? sameShape(facts)[0]! : { shape: statistics, type: 'float32' },
    );
  },
  cuttable: (node) => node.outputs[0]!.map((_, axis) => axis < normalizedFrom(node)),
  local: (node, region) => ({
    region,
    inputs: node.inputs.map((shape) =>
      shape === undefined ? null : regionInput(broadcastRegion(region, node.outputs[0]!, shape)),
    ),
  }),
};

const normalizedFrom = (facts: NodeFacts): number =>
  normalizeAxis(intAttribute(facts.node, 'axis', -1), facts.inputs[0]!.length);

/** Sums along one axis. */
export const cumulativeSum: OpRule = {
  outputs: (facts) => (facts.constants[1] === undefined ? undefined : sameShape(facts)),
  cuttable: (node) => {
    const rank = node.outputs[0]!.length;
    const summed = normalizeAxis(numberValues(node.constants[1]!)[0]!, rank);
    return node.outputs[0]!.map((_, axis) => axis !== summed);
  },
  local: (node, region) => ({ region, inputs: [regionInput(region), wholeInput(node.inputs[1])] }),
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
