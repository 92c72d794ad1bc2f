/**
 * Which plans other peers hold, and which of those they have been seen prepared for: what a coordinator leaves out and whom
 * it waits for depends on it. It is a guess that may be wrong, since peers forget plans and evict programs; whoever lacks
 * something says so.
 */
import type { PeerId, PlanDigest } from '../core/ids.ts';
import { RecentMap } from './recent-map.ts';

export type Standing = 'held' | 'prepared';

/** Plans remembered for each peer: no more than peers keep themselves, see `Preparation`. */
const KEPT = 64;

export class PlanLedger {
  readonly #peers = new Map<PeerId, RecentMap<PlanDigest, Standing>>();

  holds(peer: PeerId, digest: PlanDigest): boolean {
    return this.#peers.get(peer)?.get(digest) !== undefined;
  }

  isPrepared(peer: PeerId, digest: PlanDigest): boolean {
    return this.#peers.get(peer)?.get(digest) === 'prepared';
  }

  note(peers: Iterable<PeerId>, digest: PlanDigest, standing: Standing): void {
    for (const peer of peers) {
      const plans = this.#peers.get(peer) ?? new RecentMap<PlanDigest, Standing>(KEPT);
      this.#peers.set(peer, plans);
      if (standing === 'prepared' || plans.get(digest) === undefined) plans.set(digest, standing);
    }
  }

  /** The peer lacks that plan. */
  strike(peer: PeerId, digest: PlanDigest): void {
    this.#peers.get(peer)?.delete(digest);
  }

  /** The peer was lost: when it comes back it may have begun anew. */
  forget(peer: PeerId): void {
    this.#peers.delete(peer);
  }
}
