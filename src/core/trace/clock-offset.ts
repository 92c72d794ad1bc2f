/**
 * How far another peer's clock is off, from questions answered at once (Cristian 1989): an answer was read off the other
 * clock between asking and hearing it, so half the shortest round trip bounds the error. What was recorded longer ago is less
 * certain, since crystals differ.
 */

export interface ClockSample {
  /** Of the own clock. */
  readonly askedMs: number;
  readonly heardMs: number;
  /** Of the other one. */
  readonly answeredMs: number;
}

export interface ClockOffset {
  /** To be added to times of the other clock. */
  readonly offsetMs: number;
  /** The error is no greater, at the time of asking. */
  readonly uncertaintyMs: number;
  readonly roundTripMs: number;
}

/** Two crystals run apart by no more than this: 50 parts per million each. */
export const DRIFT = 1e-4;

/** From the sample with the shortest round trip; undefined without samples. */
export function offsetFrom(samples: readonly ClockSample[]): ClockOffset | undefined {
  let best: ClockOffset | undefined;
  for (const { askedMs, heardMs, answeredMs } of samples) {
    const roundTripMs = heardMs - askedMs;
    if (best !== undefined && best.roundTripMs <= roundTripMs) continue;
    best = { offsetMs: (askedMs + heardMs) / 2 - answeredMs, uncertaintyMs: roundTripMs / 2, roundTripMs };
  }
  return best;
}

/** The bound on the error of a time that was recorded a while ago. */
export const uncertaintyAfter = ({ uncertaintyMs }: Pick<ClockOffset, 'uncertaintyMs'>, ageMs: number): number =>
  uncertaintyMs + Math.max(0, ageMs) * DRIFT;
