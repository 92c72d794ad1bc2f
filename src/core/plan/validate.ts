/** Whether a plan fits a graph: plans come from the network, and are checked before anything is derived from one. */
import { MeshError } from '../errors.ts';
import { intersect, isEmpty, volume, wholeRegion, type Region } from '../geometry/region.ts';
import type { BoundGraph } from '../graph/bind.ts';
import { blockOutputs } from './boundaries.ts';
import type { Plan } from './plan.ts';

/** @throws MeshError INVALID_MESSAGE, always. */
export function noPlan(what: string, cause?: unknown): never {
  throw new MeshError('INVALID_MESSAGE', `not a valid plan: ${what}`, { cause });
}

/** Whether the regions are disjoint, inside the whole and together all of it. */
function isPartition(regions: readonly Region[], full: Region): boolean {
  const inside = regions.every((own) => own.length === full.length && volume(intersect(own, full)) === volume(own));
  const total = regions.reduce((sum, own) => sum + volume(own), 0);
  return (
    inside &&
    total === volume(full) &&
    regions.every((own, index) => regions.slice(index + 1).every((other) => isEmpty(intersect(own, other))))
  );
}

/** Checks that a plan fits a graph: all steps covered in order, every output of every block partitioned. */
export function checkPlan(bound: BoundGraph, plan: Plan): void {
  const { filtered = [] } = plan;
  const possible = new Set(bound.filtered);
  const unknown = filtered.find((name) => !possible.has(name));
  if (unknown !== undefined) noPlan(`"${unknown}" is no convolution that can be computed by minimal filtering`);
  if (filtered.length !== bound.filtered.length)
    noPlan('it does not name the convolutions by minimal filtering once each');
  let next = 0;
  for (const [index, block] of plan.blocks.entries()) {
    if (block.first !== next || block.last < block.first || block.last >= bound.steps.length) {
      noPlan(`block ${index} covers steps ${block.first} to ${block.last}, but step ${next} is next`);
    }
    next = block.last + 1;
    for (const name of blockOutputs(bound, block)) {
      const regions = block.parts.map((part) => part.outputs[name]);
      const shape = bound.shapes.get(name);
      if (shape === undefined) {
        if (regions.length !== 1 || regions[0] !== null)
          noPlan(`block ${index} cuts "${name}", whose shape is unknown`);
      } else if (!regions.every((region) => region != null) || !isPartition(regions, wholeRegion(shape))) {
        noPlan(`block ${index} does not cut "${name}" into disjoint regions that cover it`);
      }
    }
  }
  if (next !== bound.steps.length) noPlan(`it ends at step ${next} of ${bound.steps.length}`);
}
