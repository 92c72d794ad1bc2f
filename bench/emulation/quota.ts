/**
 * How a share of a core is told to the kernel: so many microseconds of processor time in each period (Linux CFS bandwidth
 * control). Shorter periods stall a process for shorter times; a quota cannot be less than 1 ms.
 */

export interface Quota {
  readonly periodUs: number;
  readonly quotaUs: number;
}

const MIN_QUOTA_US = 1_000;
/** Long enough that switching costs nothing, short enough that a stall is not noticed in a step of some 100 ms. */
const MIN_PERIOD_US = 5_000;
const MAX_PERIOD_US = 1_000_000;

/** The smallest share that can be asked for. */
export const MIN_CORES = MIN_QUOTA_US / MAX_PERIOD_US;

/** @param cores share of a core, or several; at least `MIN_CORES`. */
export function quotaFor(cores: number): Quota {
  if (!(cores >= MIN_CORES)) throw new RangeError(`a share of ${cores} cores is less than ${MIN_CORES}`);
  const periodUs = Math.min(MAX_PERIOD_US, Math.max(MIN_PERIOD_US, Math.ceil(MIN_QUOTA_US / cores)));
  return { periodUs, quotaUs: Math.max(MIN_QUOTA_US, Math.round(cores * periodUs)) };
}
