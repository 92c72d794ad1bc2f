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

/** How many requests were under way at a peer, in the mean of the last seconds. */
export interface MeanLoad {
  readonly requests: number;
  readonly atMs: number;
}

const MEAN_WINDOW_MS = 2_000;
const STEPS_A_REQUEST = 10;

/**
 * What peers tell each other must be means: of numbers that are each caught at some moment of the last seconds the sum is
 * now too high, now too low, and the highest counts.
 * @param requests that have been under way since the last observation.
 */
export function observeMean({ requests: before, atMs }: MeanLoad, requests: number, nowMs: number): MeanLoad {
  const kept = Math.exp((atMs - nowMs) / MEAN_WINDOW_MS);
  return { requests: before * kept + requests * (1 - kept), atMs: nowMs };
}

/** In steps that are worth telling. */
export const toldLoad = ({ requests }: MeanLoad): number => Math.round(requests * STEPS_A_REQUEST) / STEPS_A_REQUEST;
