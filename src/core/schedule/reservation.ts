/**
 * Memory for feature maps at one participant, reserved before a plan starts: all of its share or nothing, and at once. Nobody
 * holds memory while waiting for more of it, at this peer or another, so concurrent requests cannot block each other; a
 * coordinator that is refused lets go of what the others gave it and comes back later, each at a time of its own.
 */
import { hash32 } from '../hash.ts';
import type { BoundGraph } from '../graph/bind.ts';
import { transferBytes, type Dataflow } from '../plan/dataflow.ts';
import { regionShape } from '../geometry/region.ts';
import { byteLength } from '../tensor/tensor.ts';
import type { Plan } from '../plan/plan.ts';

/** Bytes by holder. */
export type Reservations = ReadonlyMap<string, number>;

export const reservedBytes = (held: Reservations): number => [...held.values()].reduce((sum, bytes) => sum + bytes, 0);

/**
 * Undefined where there is no room. A peer with nothing reserved takes whatever it is asked for: it was planned for, and
 * refusing would not help anybody.
 */
export function reserve(
  held: Reservations,
  holder: string,
  bytes: number,
  capacityBytes: number,
): Reservations | undefined {
  const others = new Map(held);
  others.delete(holder);
  return others.size === 0 || reservedBytes(others) + bytes <= capacityBytes ? others.set(holder, bytes) : undefined;
}

export function release(held: Reservations, holder: string): Reservations {
  const rest = new Map(held);
  rest.delete(holder);
  return rest;
}

/** Bytes of feature maps that a participant may hold at a time: all that its tiles read, and the largest that one makes. */
export function shareBytes(bound: BoundGraph, plan: Plan, { tasks }: Dataflow, participant: number): number {
  const own = tasks.filter((task) => task.participant === participant);
  const read = own.reduce((sum, { needs }) => needs.reduce((all, need) => all + transferBytes(bound, need), sum), 0);
  const made = own.map(({ block, part }) =>
    Object.entries(plan.blocks[block]?.parts[part]?.outputs ?? {}).reduce((sum, [name, region]) => {
      const shape = region === null ? (bound.shapes.get(name) ?? [0]) : regionShape(region);
      return sum + byteLength(bound.types.get(name) ?? 'float32', shape);
    }, 0),
  );
  return read + Math.max(0, ...made);
}

const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 1_000;

/** How long a coordinator waits after the n-th refusal, from 1: longer each time, and different for each request. */
export function pauseAfterRefusal(requestId: string, refusals: number): number {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(refusals - 1, 16));
  return longest * (0.5 + hash32(requestId, refusals) / 2 ** 33);
}
