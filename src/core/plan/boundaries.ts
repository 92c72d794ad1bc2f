/** Where blocks may end. */
import { volume, wholeRegion } from '../geometry/region.ts';
import type { BoundGraph, Step } from '../graph/bind.ts';
import type { StepRange } from '../program/demand.ts';
import { elementCount } from '../tensor/tensor.ts';

/** More values than this crossing a boundary make it a poor one. */
const MAX_CROSSING = 4;
/** An operator that leaves at most this fraction of its input's elements needs nearly all of it for any part of its result. */
const COLLAPSE = 16;

/** The values that a block must hand on: read by later steps, or outputs of the graph. In order of production. */
export function blockOutputs(bound: BoundGraph, range: StepRange): string[] {
  const finals = new Set(bound.graph.outputs.map((output) => output.name));
  const names: string[] = [];
  for (let index = range.first; index <= range.last; index++) {
    for (const name of bound.steps[index]!.node.outputs) {
      const isReadLater = bound.readers.get(name)?.some((reader) => reader > range.last) ?? false;
      if (name !== '' && (isReadLater || finals.has(name))) names.push(name);
    }
  }
  return names;
}

/** Work of a step, in the planner's rough coin: multiply-accumulates, and a score of them for each element written. */
function workOf({ bound }: Step): number {
  if (bound === undefined) return Infinity;
  const region = wholeRegion(bound.facts.outputs[0]!);
  return (bound.rule.macs?.(bound.facts, region) ?? 0) + 20 * volume(region);
}

/** Whether a step shrinks its input so much that it must be an all-gather: the places where an exchange is worth most. */
function isCollapsing({ bound }: Step): boolean {
  const [input] = bound?.facts.inputs ?? [];
  return input !== undefined && elementCount(bound!.facts.outputs[0]!) * COLLAPSE <= elementCount(input);
}

/**
 * At most about `most` of the boundaries: between atoms of least work there is least to gain from an exchange. Those around
 * an all-gather stay.
 */
export function chosenBoundaries(bound: BoundGraph, most: number): number[] {
  const ends = boundaries(bound);
  const atoms = ends.map((end, index) => bound.steps.slice(index === 0 ? 0 : ends[index - 1]! + 1, end + 1));
  const isFixed = atoms.map(
    (atom, index) =>
      index === ends.length - 1 || atom.some(isCollapsing) || (atoms[index + 1]?.some(isCollapsing) ?? false),
  );
  const work = atoms.map((atom) => atom.reduce((sum, step) => sum + workOf(step), 0));
  const dispensable = ends.map((_, index) => index).filter((index) => !isFixed[index]);
  const dropped = new Set(dispensable.sort((a, b) => work[a]! - work[b]!).slice(0, Math.max(0, ends.length - most)));
  return ends.filter((_, index) => !dropped.has(index));
}

/** How many values produced so far are still read after each step. */
function crossings(bound: BoundGraph): number[] {
  const counts = new Array<number>(bound.steps.length).fill(0);
  for (const [name, producer] of bound.producers) {
    const last = Math.max(-1, ...(bound.readers.get(name) ?? []));
    for (let index = producer; index < last; index++) counts[index]! += 1;
  }
  return counts;
}

/**
 * Indices of steps after which a block may end, ascending; the last step is always one. A step followed by a pointwise
 * reader of its result is none: exchanging there would gain nothing over exchanging after.
 */
export function boundaries(bound: BoundGraph): number[] {
  const crossing = crossings(bound);
  const last = bound.steps.length - 1;
  return bound.steps.flatMap((step, index) => {
    if (index === last) return [index];
    if (index >= bound.firstOpaque || crossing[index]! > MAX_CROSSING) return [];
    const next = bound.steps[index + 1]!;
    const feedsNext = step.node.outputs.some((name) => next.node.inputs.includes(name));
    return feedsNext && next.bound?.rule.isPointwise === true && index + 1 < bound.firstOpaque ? [] : [index];
  });
}
