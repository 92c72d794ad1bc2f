/**
 * The backward walk: from the regions wanted of a block's outputs to the regions that each operator computes, the regions
 * needed of the block's inputs, and the work in between. Planning needs no more than this; compiling starts from it.
 */
import { MeshError } from '../errors.ts';
import { valuesRead, type BoundGraph, type Step } from '../graph/bind.ts';
import { hull as hullInterval } from '../geometry/interval.ts';
import { equals, hull, isWhole, volume, wholeRegion, type Region } from '../geometry/region.ts';
import { ELEMENT_BYTES } from '../tensor/data-type.ts';
import { efficiency } from '../cost/efficiency.ts';
import { wholeInput, type BoundNode, type LocalInput, type LocalNode } from '../ops/rule.ts';
import { elementCount, type Shape } from '../tensor/tensor.ts';

/** Steps `first` to `last`, both included. */
export interface StepRange {
  readonly first: number;
  readonly last: number;
}

/** One operator of a tile. */
export interface LocalStep {
  readonly step: Step;
  /** Absent where the operator runs just as the model has it. */
  readonly local?: LocalNode;
  readonly inputs: readonly (LocalInput | null)[];
}

export interface Demand {
  /** In the order of execution; what no wanted region needs is absent. */
  readonly steps: readonly LocalStep[];
  /** Needed of each value from outside the block (weights and constants excepted); null: all of it, size unknown. */
  readonly feeds: ReadonlyMap<string, Region | null>;
  /** Computed of each value inside the block. */
  readonly produced: ReadonlyMap<string, Region | null>;
  /** Needed of each weight. */
  readonly weights: ReadonlyMap<string, Region>;
  readonly macs: number;
  /** The same, each weighted by how much slower thin regions run. */
  readonly effectiveMacs: number;
  readonly elements: number;
  /** Of all weights needed. */
  readonly weightBytes: number;
}

/** The regions demanded so far, by value; null stands for a whole value of unknown shape. */
class Ledger {
  readonly #bound: BoundGraph;
  readonly #regions = new Map<string, Region | null>();

  constructor(bound: BoundGraph) {
    this.#bound = bound;
  }

  get(name: string): Region | null | undefined {
    return this.#regions.get(name);
  }

  add(name: string, region: Region | null): void {
    const old = this.#regions.get(name);
    this.#regions.set(name, old === undefined || old === null || region === null ? region : hull(old, region));
  }

  addWhole(name: string): void {
    const shape = this.#bound.shapes.get(name);
    this.add(name, shape === undefined ? null : wholeRegion(shape));
  }

  /** A value whose producer has been reached is demanded no more. */
  settle(name: string): void {
    this.#regions.delete(name);
  }

  entries(): IterableIterator<[string, Region | null]> {
    return this.#regions.entries();
  }
}

/** The region of the first output that covers what is demanded of all outputs, full along axes that cannot be cut. */
function coveringRegion(node: BoundNode, isCuttable: readonly boolean[], ledger: Ledger): Region {
  const first = node.outputs[0]!;
  let region: Region | undefined;
  for (const [index, name] of node.node.outputs.entries()) {
    const demanded = name === '' ? undefined : ledger.get(name);
    if (demanded === undefined || demanded === null) continue;
    const shape = node.outputs[index]!;
    const own = first.map((extent, axis) =>
      isCuttable[axis] === true && shape.length === first.length ? demanded[axis]! : { start: 0, end: extent },
    );
    region = region === undefined ? own : region.map((old, axis) => hullInterval(old, own[axis]!));
  }
  return region ?? wholeRegion(first);
}

function localise(step: Step, ledger: Ledger): LocalStep {
  const { node, bound } = step;
  if (bound === undefined) return { step, inputs: [] };
  const local = bound.rule.local(bound.facts, coveringRegion(bound.facts, bound.isCuttable, ledger));
  if (isWhole(local.region, bound.facts.outputs[0]!)) {
    return { step: { node, bound }, inputs: bound.facts.inputs.map(wholeInput) };
  }
  return { step, local, inputs: local.inputs };
}

/** What is computed of output `index`, given what is computed of the first. */
function producedRegion(local: LocalStep, index: number, shapes: ReadonlyMap<string, Shape>): Region | null {
  const { bound } = local.step;
  const shape = shapes.get(local.step.node.outputs[index]!);
  if (shape === undefined) return null;
  if (bound === undefined || local.local === undefined) return wholeRegion(shape);
  if (index === 0) return local.local.region;
  const { isCuttable } = bound;
  return shape.map((extent, axis) =>
    isCuttable[axis] === true ? local.local!.region[axis]! : { start: 0, end: extent },
  );
}

/**
 * A backward walk that can stop at any step: the planner walks once from each possible end of a block and looks at every
 * possible beginning on the way.
 */
export class BackwardWalk {
  readonly steps: LocalStep[] = [];
  readonly produced = new Map<string, Region | null>();
  readonly weights = new Map<string, Region>();
  macs = 0;
  elements = 0;
  /** Multiply-accumulates, each weighted by how much slower thin regions run. */
  effectiveMacs = 0;
  /** Of all weights needed so far. */
  weightBytes = 0;
  readonly #bound: BoundGraph;
  readonly #ledger: Ledger;

  constructor(bound: BoundGraph) {
    this.#bound = bound;
    this.#ledger = new Ledger(bound);
  }

  want(name: string, region: Region | null): void {
    this.#ledger.add(name, region);
  }

  #needWeight(name: string, region: Region, growth = 1): void {
    const old = this.weights.get(name);
    const needed = old === undefined ? region : hull(old, region);
    const elementBytes = ELEMENT_BYTES[this.#bound.graph.weights.get(name)!.type];
    this.weightBytes += (volume(needed) - (old === undefined ? 0 : volume(old))) * elementBytes * growth;
    this.weights.set(name, needed);
  }

  #needWhole(name: string): void {
    const weight = this.#bound.graph.weights.get(name);
    if (weight !== undefined) this.#needWeight(name, wholeRegion(weight.shape));
    else if (!this.#bound.constants.has(name)) this.#ledger.addWhole(name);
  }

  /** Takes in the step before those already walked; steps that nothing wanted depends on add nothing. */
  visit(index: number): void {
    const step = this.#bound.steps[index]!;
    if (!step.node.outputs.some((name) => this.#ledger.get(name) !== undefined)) return;
    const local = localise(step, this.#ledger);
    this.steps.push(local);
    for (const [position, name] of step.node.outputs.entries()) {
      if (name !== '') this.produced.set(name, producedRegion(local, position, this.#bound.shapes));
      this.#ledger.settle(name);
    }
    if (step.bound === undefined) {
      for (const name of valuesRead(step.node)) this.#needWhole(name);
      for (const name of step.node.outputs) this.elements += elementCount(this.#bound.shapes.get(name) ?? []);
      return;
    }
    for (const [position, input] of local.inputs.entries()) {
      if (input?.kind !== 'region') continue;
      const name = step.node.inputs[position]!;
      if (this.#bound.graph.weights.has(name)) this.#needWeight(name, input.region, step.bound.rule.weightGrowth);
      else if (!this.#bound.constants.has(name)) this.#ledger.add(name, input.region);
    }
    const { rule, facts } = step.bound;
    const region = local.local?.region ?? wholeRegion(facts.outputs[0]!);
    const macs = rule.macs?.(facts, region) ?? 0;
    this.macs += macs;
    this.effectiveMacs += macs / efficiency(region);
    this.elements += volume(region);
  }

  /** Needed so far of each value that no walked step produces (weights and constants excepted). */
  feeds(): Map<string, Region | null> {
    return new Map(this.#ledger.entries());
  }
}

/**
 * @param wanted region wanted of each output of the block; null for a value of unknown shape.
 * @throws MeshError INTERNAL when a wanted value is not computed in the range.
 */
export function demandOf(bound: BoundGraph, range: StepRange, wanted: ReadonlyMap<string, Region | null>): Demand {
  const walk = new BackwardWalk(bound);
  for (const [name, region] of wanted) walk.want(name, region);
  for (let index = range.last; index >= range.first; index--) walk.visit(index);
  for (const name of wanted.keys()) {
    if (!walk.produced.has(name)) {
      throw new MeshError('INTERNAL', `value "${name}" is not computed by steps ${range.first} to ${range.last}`);
    }
  }
  const { steps, produced, weights, macs, effectiveMacs, elements, weightBytes } = walk;
  const feeds = walk.feeds();
  return { steps: steps.toReversed(), feeds, produced, weights, macs, effectiveMacs, elements, weightBytes };
}

/** Whether a demanded region is just what is held of the value. */
export const isSameRegion = (a: Region | null | undefined, b: Region | null | undefined): boolean =>
  a === b || (a != null && b != null && equals(a, b));

/** Work of the whole graph where its shapes are known: what a single machine has to do. */
export function totalMacs(bound: BoundGraph): number {
  return bound.steps.reduce((sum, { bound: known }) => {
    if (known?.rule.macs === undefined) return sum;
    return sum + known.rule.macs(known.facts, wholeRegion(known.facts.outputs[0]!));
  }, 0);
}
