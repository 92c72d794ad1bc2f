/**
 * Operators that are never cut but whose results have a known shape, so that what follows them can be. They give the same
 * answer wherever they run, so they may be repeated by every part.
 */
import { intAttribute } from '../graph/graph.ts';
import type { DataType } from '../tensor/data-type.ts';
import { numberValues } from '../tensor/tensor.ts';
import { normalizeAxis, wholeInput, type NodeFacts, type OpRule, type OutputFact } from './rule.ts';

const uncut = (outputs: OpRule['outputs']): OpRule => ({
  outputs,
  cuttable: (node) => node.outputs[0]!.map(() => false),
  local: (node, region) => ({ region, inputs: node.inputs.map(wholeInput) }),
});

/** The shape and type of the input at `from`. */
export const likeInput = (from = 0): OpRule =>
  uncut((facts) => [{ shape: facts.inputs[from]!, type: facts.inputTypes[0]! }]);

export const constantOfShape = uncut((facts) => {
  const shape = facts.constants[0];
  const value = facts.node.attributes.value;
  const type: DataType = value?.kind === 'tensor' ? value.value.type : 'float32';
  return shape && [{ shape: numberValues(shape), type }];
});

export const range = uncut((facts) => {
  const [start, limit, delta] = facts.constants.map((value) => value && numberValues(value)[0]);
  if (start === undefined || limit === undefined || delta === undefined) return undefined;
  return [{ shape: [Math.max(0, Math.ceil((limit - start) / delta))], type: facts.inputTypes[0]! }];
});

export const gatherNd = uncut((facts) => {
  const batch = intAttribute(facts.node, 'batch_dims', 0);
  const [data, indices] = facts.inputs;
  const shape = [...indices!.slice(0, -1), ...data!.slice(batch + indices!.at(-1)!)];
  return [{ shape, type: facts.inputTypes[0]! }];
});

export const oneHot = uncut((facts) => {
  const depth = facts.constants[1];
  if (depth === undefined) return undefined;
  const rank = facts.inputs[0]!.length + 1;
  const axis = normalizeAxis(intAttribute(facts.node, 'axis', -1), rank);
  return [{ shape: facts.inputs[0]!.toSpliced(axis, 0, numberValues(depth)[0]!), type: facts.inputTypes[2]! }];
});

export const topK = uncut((facts) => {
  const constant = facts.constants[1];
  const count = constant === undefined ? intAttribute(facts.node, 'k', 0) : numberValues(constant)[0]!;
  if (count === 0) return undefined;
  const axis = normalizeAxis(intAttribute(facts.node, 'axis', -1), facts.inputs[0]!.length);
  const shape = facts.inputs[0]!.with(axis, count);
  return [
    { shape, type: facts.inputTypes[0]! },
    { shape, type: 'int64' },
  ] satisfies OutputFact[];
});

/** RNN, GRU and LSTM: all states, the last state and, for LSTM, the last cell. */
export const recurrent = uncut((facts: NodeFacts) => {
  const [data, weights, recurrence] = facts.inputs;
  const directions = weights![0]!;
  const hidden = recurrence!.at(-1)!;
  const isBatchFirst = intAttribute(facts.node, 'layout', 0) === 1;
  const [first, second] = data!;
  const type = facts.inputTypes[0]!;
  const all = isBatchFirst ? [first!, second!, directions, hidden] : [first!, directions, second!, hidden];
  const last = isBatchFirst ? [first!, directions, hidden] : [directions, second!, hidden];
  return [all, last, last].map((shape) => ({ shape, type }));
});

export const dynamicQuantizeLinear = uncut((facts) => [
  { shape: facts.inputs[0]!, type: 'uint8' },
  { shape: [], type: 'float32' },
  { shape: [], type: 'uint8' },
]);
