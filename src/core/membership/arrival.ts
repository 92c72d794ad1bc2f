/**
 * How long a silence is normal. Mean and mean deviation of the times between heartbeats, smoothed as TCP smooths its
 * round-trip times (RFC 6298, section 2): a peer on a busy board earns patience, a regular one is missed soon.
 */

export interface Arrivals {
  readonly meanMs: number;
  readonly deviationMs: number;
}

export interface PatienceSettings {
  /** A silence shorter than this is never suspect. */
  readonly minSuspectMs: number;
  /** A silence longer than this always is. */
  readonly maxSuspectMs: number;
}

/** Nothing heard yet: as expected. */
export const expectedArrivals = (heartbeatMs: number): Arrivals => ({ meanMs: heartbeatMs, deviationMs: 0 });

/** One more heartbeat, `intervalMs` after the one before. */
export const observeArrival = ({ meanMs, deviationMs }: Arrivals, intervalMs: number): Arrivals => ({
  meanMs: meanMs + (intervalMs - meanMs) / 8,
  deviationMs: deviationMs + (Math.abs(intervalMs - meanMs) - deviationMs) / 4,
});

/** Silence after which the peer is suspected. */
export const suspectAfterMs = (
  { meanMs, deviationMs }: Arrivals,
  { minSuspectMs, maxSuspectMs }: PatienceSettings,
): number => Math.min(maxSuspectMs, Math.max(minSuspectMs, meanMs + 4 * deviationMs));

/** Silence after which the peer has failed: twice what made it suspect. */
export const failAfterMs = (arrivals: Arrivals, settings: PatienceSettings): number =>
  2 * suspectAfterMs(arrivals, settings);
