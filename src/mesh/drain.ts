/**
 * How a peer leaves without losing a request: it says that it drains, so that nobody gives it anything new, and waits until
 * what it has in hand is done. What others had sent before they heard of it still arrives for a moment, so it must have been
 * quiet for that long. What is not done by the deadline is handed over by the goodbye: entries propose to another
 * coordinator, coordinators plan without this participant.
 */
import type { Clock } from './ports.ts';

export interface DrainParts {
  readonly clock: Clock;
  /** Tells clients and members. */
  readonly announce: () => void;
  /** Whether nothing is in hand. */
  readonly isQuiet: () => boolean;
}

export interface DrainSettings {
  /** How long it must have been quiet. */
  readonly quietMs: number;
  readonly deadlineMs: number;
}

/** Longer than a message is on its way, and than a plan is made. */
export const QUIET_MS = 400;
const POLL_MS = 20;

/** @returns whether all was finished; otherwise the rest is to be handed over. */
export async function drain({ clock, announce, isQuiet }: DrainParts, settings: DrainSettings): Promise<boolean> {
  const beganMs = clock.now();
  let quietSinceMs = beganMs;
  announce();
  for (;;) {
    if (!isQuiet()) quietSinceMs = clock.now();
    if (clock.now() - quietSinceMs >= settings.quietMs) return true;
    if (clock.now() - beganMs >= settings.deadlineMs) return false;
    await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
  }
}
