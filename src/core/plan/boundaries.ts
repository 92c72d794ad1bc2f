/** Where blocks may end. */
import type { BoundGraph } from '../graph/bind.ts';
import type { StepRange } from '../program/demand.ts';

/** More values than this crossing a boundary make it a poor one. */
const MAX_CROSSING = 4;

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
