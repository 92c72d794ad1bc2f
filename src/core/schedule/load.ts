/**
 * How many requests share the mesh, as planning needs to know it: a number that rises at once, falls slowly and moves in
 * steps, so that plans, with their programs and weights, do not change with every request that comes or goes.
 */

export interface Load {
  /** Requests under way. */
  readonly requests: number;
  readonly atMs: number;
}

export const NO_LOAD: Load = Object.freeze({ requests: 0, atMs: 0 });

/** Heartbeats tell of requests once a second: a lull that is shorter may be none. */
const HALF_LIFE_MS = 2_000;

/** @param requests that are under way at `nowMs`, as far as is known. `nowMs` never runs backwards. */
export function observeLoad({ requests: before, atMs }: Load, requests: number, nowMs: number): Load {
  const left = before * 2 ** ((atMs - nowMs) / HALF_LIFE_MS);
  return { requests: Math.max(requests, left), atMs: nowMs };
}

/** The nearest power of two, at least 1: what a plan is made for. */
export const concurrencyOf = ({ requests }: Load): number => 2 ** Math.round(Math.log2(Math.max(1, requests)));
