/**
 * Round trips to other peers, as they were measured whenever somebody asked how the mesh is. Nothing is sent for their sake:
 * with N peers that ping each other the mesh would carry N squared pings.
 */
import type { RoundTripFigures } from '../core/card.ts';
import type { PeerId } from '../core/ids.ts';
import { RecentMap } from './recent-map.ts';

const KEPT_PEERS = 256;
const KEPT_SAMPLES = 128;

export class RoundTripHistory {
  /** Null for a question that was not answered in time. */
  readonly #samples = new RecentMap<PeerId, (number | null)[]>(KEPT_PEERS);

  note(peer: PeerId, roundTripMs: number | null): void {
    const own = this.#samples.get(peer) ?? [];
    own.push(roundTripMs);
    if (own.length > KEPT_SAMPLES) own.shift();
    this.#samples.set(peer, own);
  }

  /** Null until measured. */
  figuresOf(peer: PeerId): RoundTripFigures | null {
    const samples = this.#samples.get(peer) ?? [];
    const answered = samples.filter((sample) => sample !== null).sort((a, b) => a - b);
    const at = (share: number): number | undefined => answered[Math.ceil(share * answered.length) - 1];
    const [p50Ms, p99Ms] = [at(0.5), at(0.99)];
    if (p50Ms === undefined || p99Ms === undefined) return null;
    return { p50Ms, p99Ms, loss: 1 - answered.length / samples.length, samples: samples.length };
  }
}
