/**
 * How long a silence is normal. Mean and mean deviation of the times between heartbeats, smoothed as TCP smooths its
 * round-trip times (RFC 6298, section 2): a peer on a busy board earns patience, a regular one is missed soon. Whoever is
 * late itself is patient with everybody: it may be the reason why nothing was heard (Dadgar, Phillips, Currey, "Lifeguard:
 * Local Health Awareness for More Accurate Failure Detection", 2018).
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

/** How late this peer's own clock ticks, as remembered: rises at once, falls by a tenth each tick. */
export const observeLateness = (beforeMs: number, lateMs: number): number => Math.max(lateMs, 0.9 * beforeMs);

/** Silence after which the peer is suspected. @param lateMs how late this peer itself is. */
export const suspectAfterMs = (
  { meanMs, deviationMs }: Arrivals,
  { minSuspectMs, maxSuspectMs }: PatienceSettings,
  lateMs = 0,
): number => Math.min(maxSuspectMs, Math.max(minSuspectMs, meanMs + 4 * deviationMs) + 4 * lateMs);

/** The same for a peer that was asked for a sign of life, since somebody waits for it. @param patienceMs at least. */
export const doubtAfterMs = (arrivals: Arrivals, settings: PatienceSettings, patienceMs: number, lateMs = 0): number =>
  Math.min(suspectAfterMs(arrivals, settings, lateMs), patienceMs + 4 * arrivals.deviationMs + 4 * lateMs);

/** Silence after which the peer has failed: twice what made it suspect. */
export const failAfterMs = (arrivals: Arrivals, settings: PatienceSettings, lateMs = 0): number =>
  2 * suspectAfterMs(arrivals, settings, lateMs);
