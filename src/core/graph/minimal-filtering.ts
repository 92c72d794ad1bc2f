/**
 * Which convolutions of a graph are computed by minimal filtering, and the graph with these. A normalisation that alone reads
 * a convolution is joined to it: its factors go into the weights.
 */
import { isHalvingPool, isLayoutFree } from '../ops/map-layout.ts';
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

/** Which of the convolutions that can be are computed by minimal filtering. */
export type FilterChoice = (candidates: readonly Candidate[]) => readonly Candidate[];

/** Where the costs promise so much; 0: wherever it is possible. */
export const whereItPromises =
  (leastGain: number): FilterChoice =>
  (candidates) =>
    candidates.filter(({ layer }) => leastGain === 0 || promisedGain(layer) >= leastGain);

/** What all convolutions of the same speed have in common: `64x128@56x56`, channels in and out at rows and columns. */
export const layerName = ({ channelsIn, channelsOut, rows, columns }: FilterableLayer): string =>
  `${channelsIn}x${channelsOut}@${rows}x${columns}`;

/**
 * How a layer is best computed. `chained`: by minimal filtering next to another such layer, where it need not turn its map to
 * another layout; otherwise directly.
 */
export type Verdict = Arithmetic | 'chained';

/** By the names of layers. */
export type Verdicts = Readonly<Record<string, Verdict>>;

/** Where there is no verdict on a layer, what the costs promise counts. */
export const byVerdicts =
  (verdicts: Verdicts): FilterChoice =>
  (candidates) => {
    const promising = new Set(whereItPromises(LEAST_GAIN)(candidates));
    const verdict = (own: Candidate): Verdict =>
      verdicts[layerName(own.layer)] ?? (promising.has(own) ? 'fast' : 'exact');
    const gaining = new Set(candidates.filter((own) => verdict(own) !== 'exact').map(({ name }) => name));
    return candidates.filter(
      (own) => verdict(own) === 'fast' || (gaining.has(own.name) && own.neighbours.some((name) => gaining.has(name))),
    );
  };

export const amongNamed = (names: Iterable<string>): FilterChoice => {
  const named = new Set(names);
  return (candidates) => candidates.filter(({ name }) => named.has(name));
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
  /** Others that it hands its map to, or has its map from, in whatever layout it is, by name. */
  readonly neighbours: readonly string[];
}

/** In the order of the steps. */
export function candidatesOf(steps: readonly Step[], graph: Graph): Candidate[] {
  const readers = readersOf(steps, graph);
  const isFixed = (name: string): boolean => graph.weights.has(name) || graph.constants.has(name);
  const candidates = steps.flatMap((step): Omit<Candidate, 'neighbours'>[] => {
    const facts = step.bound?.facts;
    if (facts === undefined) return [];
    const layer = filterableLayer(facts, isFixed(step.node.inputs[1] ?? ''));
    if (layer === undefined) return [];
    const name = step.node.outputs[0]!;
    const all = readers.get(name) ?? [];
    const normalization = all.find((reader) => reader?.node.op === 'BatchNormalization');
    if (normalization === undefined) return [{ name, layer, step, facts, normalization }];
    const bias = step.node.inputs[2] ?? '';
    const canJoin =
      all.length === 1 && (bias === '' || isFixed(bias)) && isJoinable(normalization, layer.channelsOut, isFixed);
    // The runtime joins one to a direct convolution in ways of its own, which are not to be lost.
    return canJoin ? [{ name, layer, step, facts, normalization }] : [];
  });
  const names = new Map(candidates.map(({ step, name }) => [step, name]));
  const pairs = candidates.flatMap(({ name, step, normalization }) =>
    [...reached((normalization ?? step).node.outputs[0]!, readers, names)].map((next) => [name, next] as const),
  );
  return candidates.map((own) => ({
    ...own,
    neighbours: pairs
      .filter((pair) => pair.includes(own.name))
      .flatMap((pair) => pair.filter((name) => name !== own.name)),
  }));
}

type Readers = ReadonlyMap<string, readonly (Step | undefined)[]>;

/** Names of the convolutions that get a map with nothing in between that minds its layout. */
function reached(map: string, readers: Readers, names: ReadonlyMap<Step, string>): ReadonlySet<string> {
  const found = new Set<string>();
  const seen = new Set([map]);
  for (const value of seen) {
    for (const reader of readers.get(value) ?? []) {
      if (reader === undefined) continue;
      const name = names.get(reader);
      if (name !== undefined && reader.node.inputs[0] === value) found.add(name);
      else if (isLayoutFree(reader.node) || isHalvingPool(reader.node)) seen.add(reader.node.outputs[0]!);
    }
  }
  return found;
}

/** Steps that read each value; undefined stands for whoever takes the outputs of the graph. */
function readersOf(steps: readonly Step[], graph: Graph): Readers {
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
export function withMinimalFiltering(steps: readonly Step[], graph: Graph, choose: FilterChoice): Filtered {
  const taken = choose(candidatesOf(steps, graph));
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
