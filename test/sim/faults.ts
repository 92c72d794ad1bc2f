/** What goes wrong in one history, and when; drawn from its seed. All of it is over by `FAULTS_END_MS`. */
import type { Random } from '../property/random.ts';
import { CALM, type Weather } from './network.ts';

export const PEERS = 5;
export const FAULTS_BEGIN_MS = 1_500;
export const FAULTS_END_MS = 12_000;

export type Fault = { readonly atMs: number; readonly untilMs: number } & (
  | { readonly kind: 'kill'; readonly peer: number; readonly isSilent: boolean }
  | { readonly kind: 'freeze'; readonly peer: number }
  | { readonly kind: 'slow'; readonly peer: number; readonly slownessMs: number }
  | { readonly kind: 'drag'; readonly peer: number; readonly dragMs: number }
  | { readonly kind: 'cut'; readonly island: ReadonlySet<number> }
  | { readonly kind: 'weather'; readonly weather: Weather }
);

/** A request as its client makes it: again and again, at another entry when one is gone, until it is answered. */
export interface Call {
  readonly atMs: number;
  readonly entry: number;
  readonly variant: number;
  readonly parallelism: number;
  /** Whether the client asks another entry, too, when no answer has come for a while. */
  readonly isImpatient: boolean;
}

export interface Story {
  readonly faults: readonly Fault[];
  readonly calls: readonly Call[];
}

const MOST_FAULTS = 6;
const MOST_CALLS = 6;
const SHORTEST_MS = 50;
const LONGEST_MS = 6_000;
const LONGEST_DRAG_MS = 3_000;

export function tell(random: Random, variants: number): Story {
  const faults: Fault[] = [];
  for (let left = random.integer(1, MOST_FAULTS); left > 0; left--) faults.push(fault(random));
  const calls = Array.from({ length: random.integer(1, MOST_CALLS) }, () => ({
    atMs: random.integer(FAULTS_BEGIN_MS - 200, FAULTS_END_MS - 2_000),
    entry: random.integer(0, PEERS - 1),
    variant: random.integer(0, variants - 1),
    parallelism: random.integer(0, PEERS),
    isImpatient: random.chance(0.5),
  }));
  // Requests and faults that have nothing to do with each other prove little.
  const near = faults.flatMap((one) =>
    random.chance(0.7)
      ? [{ ...random.pick(calls), atMs: Math.max(FAULTS_BEGIN_MS - 200, one.atMs - random.integer(0, 300)) }]
      : [],
  );
  return { faults, calls: [...calls, ...near] };
}

function fault(random: Random): Fault {
  const atMs = random.integer(FAULTS_BEGIN_MS, FAULTS_END_MS - 1_000);
  const untilMs = Math.min(FAULTS_END_MS, atMs + random.integer(SHORTEST_MS, LONGEST_MS));
  const span = { atMs, untilMs };
  const peer = random.integer(0, PEERS - 1);
  switch (random.integer(0, 6)) {
    case 0:
      return { ...span, kind: 'kill', peer, isSilent: random.chance(0.3) };
    case 1:
      return { ...span, kind: 'freeze', peer };
    case 2:
      return { ...span, kind: 'slow', peer, slownessMs: random.integer(1, 60) };
    case 3:
      return { ...span, kind: 'cut', island: islandOf(random) };
    case 4:
      return { ...span, kind: 'drag', peer, dragMs: random.integer(SHORTEST_MS, LONGEST_DRAG_MS) };
    default:
      return { ...span, kind: 'weather', weather: weatherOf(random) };
  }
}

const islandOf = (random: Random): ReadonlySet<number> =>
  new Set(Array.from({ length: PEERS }, (_, peer) => peer).filter(() => random.chance(0.4)));

function weatherOf(random: Random): Weather {
  const share = (): number => random.integer(1, 50) / 1_000;
  switch (random.integer(0, 3)) {
    case 0:
      return { ...CALM, loss: share() };
    case 1:
      return { ...CALM, duplication: share() };
    case 2:
      return { ...CALM, reordering: share() };
    default:
      return { ...CALM, corruption: share() };
  }
}
