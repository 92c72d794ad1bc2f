/**
 * Which convolutions of a graph are computed by minimal filtering, and the graph with these. A normalisation that alone reads
 * a convolution is joined to it: its factors go into the weights.
 */
import { batchNormalization } from '../ops/normalization.ts';
import type { BoundNode } from '../ops/rule.ts';
import {
  asWinogradConv,
  filterableLayer,
  LEAST_GAIN,
  promisedGain,
  winogradConv,
  type FilterableLayer,
} from '../ops/winograd-conv.ts';
import type { Graph } from './graph.ts';
import type { Step } from './step.ts';

/**
 * `exact`: every operator as the model has it. `fast`: 3x3 convolutions by minimal filtering where that is faster, whose
 * results differ in the last bits.
 */
export type Arithmetic = 'exact' | 'fast';

/** @param name of the convolution's result in the model. */
export type IsFiltered = (layer: FilterableLayer, name: string) => boolean;

/** Where the costs promise so much; 0: wherever it is possible. */
export const whereItPromises =
  (leastGain: number): IsFiltered =>
  (layer) =>
    leastGain === 0 || promisedGain(layer) >= leastGain;

/** What all convolutions of the same speed have in common: `64x128@56x56`, channels in and out at rows and columns. */
export const layerName = ({ channelsIn, channelsOut, rows, columns }: FilterableLayer): string =>
  `${channelsIn}x${channelsOut}@${rows}x${columns}`;

/** How layers are best computed, by their names. */
export type Verdicts = Readonly<Record<string, Arithmetic>>;

/** Where there is no verdict on a layer, what the costs promise counts. */
export const byVerdicts = (verdicts: Verdicts): IsFiltered => {
  const isPromising = whereItPromises(LEAST_GAIN);
  return (layer, name) => {
    const verdict = verdicts[layerName(layer)];
    return verdict === undefined ? isPromising(layer, name) : verdict === 'fast';
  };
};

export const amongNamed = (names: Iterable<string>): IsFiltered => {
  const named = new Set(names);
  return (_, name) => named.has(name);
};

/** A convolution that can be computed so. */
export interface Candidate {
  /** Of its result, in the model. */
  readonly name: string;
  readonly layer: FilterableLayer;
  readonly step: Step;
  readonly facts: BoundNode;
  /** The normalisation that is joined to it. */
  readonly normalization: Step | undefined;
}

/** In the order of the steps. */
export function candidatesOf(steps: readonly Step[], graph: Graph): Candidate[] {
  const readers = readersOf(steps, graph);
  const isFixed = (name: string): boolean => graph.weights.has(name) || graph.constants.has(name);
  return steps.flatMap((step): Candidate[] => {
    const facts = step.bound?.facts;
    if (facts === undefined) return [];
    const layer = filterableLayer(facts, isFixed(step.node.inputs[1] ?? ''));
    if (layer === undefined) return [];
    const name = step.node.outputs[0]!;
    const all = readers.get(name) ?? [];
    const normalization = all.find((reader) => reader?.node.op === 'BatchNormalization');
    if (normalization === undefined) return [{ name, layer, step, facts, normalization }];
    const canJoin = all.length === 1 && isJoinable(normalization, layer.channelsOut, isFixed);
    // The runtime joins one to a direct convolution in ways of its own, which are not to be lost.
    return canJoin ? [{ name, layer, step, facts, normalization }] : [];
  });
}

/** Steps that read each value; undefined stands for whoever takes the outputs of the graph. */
function readersOf(steps: readonly Step[], graph: Graph): ReadonlyMap<string, readonly (Step | undefined)[]> {
  const readers = new Map<string, (Step | undefined)[]>();
  const add = (name: string, reader: Step | undefined): void => {
    const list = readers.get(name);
    if (list === undefined) readers.set(name, [reader]);
    else list.push(reader);
  };
  for (const step of steps) for (const name of new Set([...step.node.inputs, ...step.node.captures])) add(name, step);
  for (const { name } of graph.outputs) add(name, undefined);
  return readers;
}

function isJoinable({ node, bound }: Step, channels: number, isFixed: (name: string) => boolean): boolean {
  if (bound?.rule !== batchNormalization) return false;
  const { inputs, inputTypes } = bound.facts;
  const factors = [1, 2, 3, 4];
  return factors.every(
    (position) =>
      inputTypes[position] === 'float32' &&
      inputs[position]?.join() === `${channels}` &&
      isFixed(node.inputs[position]!),
  );
}

export interface Filtered {
  readonly steps: readonly Step[];
  /** Names of the convolutions that are computed by minimal filtering. */
  readonly filtered: readonly string[];
}

/** The same steps with the wanted ones of the convolutions by minimal filtering. */
export function withMinimalFiltering(steps: readonly Step[], graph: Graph, isWanted: IsFiltered): Filtered {
  const taken = candidatesOf(steps, graph).filter(({ layer, name }) => isWanted(layer, name));
  const replacements = new Map(taken.map((candidate) => [candidate.step, replacementOf(candidate)]));
  const joined = new Set(taken.map(({ normalization }) => normalization));
  return {
    steps: steps.filter((step) => !joined.has(step)).map((step) => replacements.get(step) ?? step),
    filtered: taken.map(({ name }) => name),
  };
}

function replacementOf({ step, facts, normalization }: Candidate): Step {
  const joined = asWinogradConv(facts, normalization?.bound?.facts);
  return { node: joined.node, bound: { ...step.bound!, rule: winogradConv, facts: joined } };
}
