/**
 * A plan that goes on without some of its participants: everything stays as it was planned, and what the lost ones would have
 * computed goes to those with the least to do at that point. It is seldom the best plan for those that are left, but it is
 * there at once, and programs and weights are mostly in place, while a new plan takes seconds to make and to prepare for.
 */
import type { PeerProfile } from '../cost/cost-model.ts';
import type { BoundGraph } from '../graph/bind.ts';
import type { PeerId } from '../ids.ts';
import { demandOf } from '../program/demand.ts';
import type { Block, Part, Plan } from './plan.ts';

/** With a larger share of the participants lost the rest would have to do too much. */
const MOST_LOST = 1 / 4;

/** @param available who may compute. Undefined where nobody is lost, where too many are, or where the rest has no memory for it. */
export function patchPlan(bound: BoundGraph, plan: Plan, available: readonly PeerProfile[]): Plan | undefined {
  const profiles = new Map(available.map((profile) => [profile.peer, profile]));
  const left = plan.participants.filter((peer) => profiles.has(peer));
  const lost = plan.participants.length - left.length;
  if (lost === 0 || left.length === 0 || lost > Math.max(1, plan.participants.length * MOST_LOST)) return undefined;
  const survivors = left.map((peer) => profiles.get(peer)!);
  let addedMs = 0;
  const blocks = plan.blocks.map((block) => {
    const patched = patchBlock(block, plan.participants, survivors);
    addedMs += slowestMs(patched) - slowestMs(block);
    return patched;
  });
  const patched = { ...plan, participants: left, blocks, predictedMs: plan.predictedMs + addedMs };
  return fits(bound, patched, survivors) ? patched : undefined;
}

/** The time of the participant that has the most to do. */
function slowestMs({ parts }: Block): number {
  const loads = new Map<number, number>();
  for (const { participant, predictedMs } of parts) {
    loads.set(participant, (loads.get(participant) ?? 0) + predictedMs);
  }
  return Math.max(0, ...loads.values());
}

function patchBlock(block: Block, participants: readonly PeerId[], survivors: readonly PeerProfile[]): Block {
  const indices = new Map(survivors.map(({ peer }, index) => [peer, index]));
  const owners = block.parts.map(({ participant }) => indices.get(participants[participant]!));
  const loads = survivors.map(() => 0);
  for (const [part, owner] of owners.entries()) {
    if (owner !== undefined) loads[owner]! += block.parts[part]!.predictedMs;
  }
  const fastest = Math.max(...survivors.map(({ macsPerSecond }) => macsPerSecond));
  const parts = block.parts.map((part, index): Part => {
    const owner = owners[index];
    if (owner !== undefined) return { ...part, participant: owner };
    // How fast the lost one was is not known any more: taken to be as fast as the fastest.
    const times = survivors.map(({ macsPerSecond }) => (part.predictedMs * fastest) / macsPerSecond);
    const distance = (candidate: number): number =>
      Math.min(...owners.map((other, place) => (other === candidate ? Math.abs(place - index) : Infinity)));
    let chosen = 0;
    for (const other of survivors.keys()) {
      const gain = loads[chosen]! + times[chosen]! - loads[other]! - times[other]!;
      // Of equals the one that holds what lies beside it: less moves.
      if (gain > 0 || (gain === 0 && distance(other) < distance(chosen))) chosen = other;
    }
    loads[chosen]! += times[chosen]!;
    return { ...part, participant: chosen, predictedMs: times[chosen]! };
  });
  return { ...block, parts };
}

/** Whether everybody has room for the weights of all its parts; those that parts of a block share are counted for each. */
function fits(bound: BoundGraph, { blocks }: Plan, survivors: readonly PeerProfile[]): boolean {
  const bytes = survivors.map(() => 0);
  for (const block of blocks) {
    for (const { participant, outputs } of block.parts) {
      bytes[participant]! += demandOf(bound, block, new Map(Object.entries(outputs))).weightBytes;
    }
  }
  return survivors.every(({ memoryBudgetBytes }, index) => bytes[index]! <= memoryBudgetBytes);
}
