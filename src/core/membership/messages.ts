/** What members tell each other about who is there. Times of a sender are its own clock's and go back to it unchanged. */
import type { PeerId } from '../ids.ts';
import type { Heartbeat, Load } from './heartbeat.ts';

/** One run of a peer is taken to be gone; it contradicts with a higher incarnation. */
export interface Suspicion {
  readonly peer: PeerId;
  readonly startedAtMs: number;
  readonly incarnation: number;
}

/** What a peer said of itself last, told by itself or by somebody else. */
export type Told =
  | { readonly peer: PeerId; readonly kind: 'heartbeat'; readonly heartbeat: Heartbeat }
  /** For those that know the rest: what it said with `profileSequence`. */
  | {
      readonly peer: PeerId;
      readonly kind: 'load';
      readonly startedAtMs: number;
      readonly sequence: number;
      readonly profileSequence: number;
      readonly load: Load;
    };

/** The stamp of the last message that was received, and how long ago that was: together they give a round trip. */
export interface Echo {
  readonly sentMs: number;
  readonly heldMs: number;
}

/** Every second between neighbours, at once where something matters. */
export interface Beat {
  readonly kind: 'beat';
  /** Whether the sender is a neighbour of the receiver, to its knowledge, and so waits for its beats. */
  readonly isWatching: boolean;
  readonly sentMs: number;
  readonly echo: Echo | null;
  readonly told: readonly Told[];
  readonly suspicions: readonly Suspicion[];
}

/** Answer at once. */
export interface Probe {
  readonly kind: 'probe';
  readonly nonce: number;
  readonly sentMs: number;
}

/** Probe another peer for the sender, unless it has been heard a moment ago. */
export interface Ask extends Suspicion {
  readonly kind: 'ask';
  readonly nonce: number;
  /** Somebody waits for it: what it said a moment ago does not count. */
  readonly isUrgent: boolean;
}

/** To a probe: `about` is null. To having been asked: the other peer lives. */
export interface Ack {
  readonly kind: 'ack';
  readonly nonce: number;
  readonly about: PeerId | null;
  /** Of the probe. */
  readonly sentMs: number;
}

export interface DigestEntry {
  readonly peer: PeerId;
  readonly startedAtMs: number;
  readonly sequence: number;
}

/** What the sender knows; it wants to be told what is newer. */
export interface Digest {
  readonly kind: 'digest';
  readonly sentMs: number;
  /** Sent because of another's digest, which it does not ask for again. */
  readonly isReply: boolean;
  readonly entries: readonly DigestEntry[];
}

/** I am leaving on purpose. */
export interface Goodbye {
  readonly kind: 'goodbye';
  readonly reason: string;
}

export type HealthMessage = Beat | Probe | Ask | Ack | Digest | Goodbye;

/** Suspicions in one beat. */
export const MAX_SUSPICIONS = 64;
/** Weight of what is told in one beat: fields of the message, by which its parser bounds what it builds. */
const MAX_TOLD_WEIGHT = 1_500;
const TOLD_WEIGHT = 24;
const MODEL_WEIGHT = 5;

/** As many from the front as one message may carry. */
export function fitting(told: readonly Told[]): readonly Told[] {
  let weight = 0;
  const end = told.findIndex((one) => {
    weight += TOLD_WEIGHT + (one.kind === 'heartbeat' ? MODEL_WEIGHT * one.heartbeat.models.length : 0);
    return weight > MAX_TOLD_WEIGHT;
  });
  return end < 0 ? told : told.slice(0, Math.max(1, end));
}
