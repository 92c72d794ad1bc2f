/**
 * The bookkeeping of a download: who waits for which chunks, who is fetching which, and which peers hold which. Nothing
 * here waits or sends.
 */
import type { PeerId } from '../../core/ids.ts';
import { clearBit, hasBit } from '../../core/placement/bitmap.ts';

/** Somebody who waits for chunks. */
export interface Want {
  /** Shrinks as chunks arrive. */
  readonly missing: Set<number>;
  readonly onArrival: (index: number) => void;
  readonly onComplete: () => void;
  readonly onFailure: (error: Error) => void;
}

export class ChunkBoard {
  readonly wants = new Set<Want>();
  readonly #claims = new Map<number, PeerId>();
  readonly #held = new Map<PeerId, Uint8Array>();

  /** Whether the peer has told what it holds. */
  isKnown(peer: PeerId): boolean {
    return this.#held.has(peer);
  }

  learn(peer: PeerId, held: Uint8Array): void {
    this.#held.set(peer, Uint8Array.from(held));
  }

  /** The peer turned out not to hold these. */
  unlearn(peer: PeerId, indices: Iterable<number>): void {
    const held = this.#held.get(peer);
    if (held !== undefined) for (const index of indices) clearBit(held, index);
  }

  /** Chunks somebody waits for, nobody fetches, and this peer holds, the rarest first. */
  available(peer: PeerId): number[] {
    const held = this.#held.get(peer);
    if (held === undefined) return [];
    return this.#unclaimed()
      .filter((index) => hasBit(held, index))
      .map((index) => ({ index, copies: this.#copies(index) }))
      .sort((a, b) => a.copies - b.copies || a.index - b.index)
      .map(({ index }) => index);
  }

  claim(peer: PeerId, indices: readonly number[]): void {
    for (const index of indices) this.#claims.set(index, peer);
  }

  /** Gives back what the peer was to fetch and has not. */
  release(peer: PeerId): void {
    for (const [index, claimant] of this.#claims) if (claimant === peer) this.#claims.delete(index);
  }

  /** A chunk is here: whoever waited for it is told. */
  arrived(index: number): void {
    this.#claims.delete(index);
    for (const want of [...this.wants]) {
      if (!want.missing.delete(index)) continue;
      want.onArrival(index);
      if (want.missing.size === 0) want.onComplete();
    }
  }

  /** Whether all that the peer is fetching has ceased to matter. */
  isWasted(peer: PeerId): boolean {
    const wanted = this.#wanted();
    const claimed = [...this.#claims].filter(([, claimant]) => claimant === peer);
    return claimed.length > 0 && !claimed.some(([index]) => wanted.has(index));
  }

  #wanted(): Set<number> {
    return new Set([...this.wants].flatMap(({ missing }) => [...missing]));
  }

  #unclaimed(): number[] {
    return [...this.#wanted()].filter((index) => !this.#claims.has(index));
  }

  #copies(index: number): number {
    return [...this.#held.values()].filter((held) => hasBit(held, index)).length;
  }
}
