/**
 * Memory that peers share for one purpose. Nobody gets more of it than is left for the others: n peers that take all they get
 * leave 1 / (n + 1) of it free, so those who hold much do not keep out those who need little.
 * Source: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998.
 */
import type { PeerId } from '../src/core/ids.ts';

/** What one stream or queue holds of what its peer has. */
export interface Share {
  /** Whether its peer would get so many bytes more. */
  hasRoomFor(bytes: number): boolean;
  /** Holds so many bytes from now on, more or fewer than before. False where there is no room; it holds what it held then. */
  hold(bytes: number): boolean;
}

/** Where nothing is bounded over all peers. */
export const UNBOUNDED_SHARE: Share = Object.freeze({ hasRoomFor: () => true, hold: () => true });

export class BytePool {
  readonly totalBytes: number;
  readonly #heldBy = new Map<PeerId, number>();
  #held = 0;

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes;
  }

  /** Bytes that all peers hold together. */
  get heldBytes(): number {
    return this.#held;
  }

  shareOf(peer: PeerId): Share {
    let own = 0;
    return {
      hasRoomFor: (bytes) => this.#hasRoomFor(peer, bytes),
      hold: (bytes) => {
        const more = bytes - own;
        if (more > 0 && !this.#hasRoomFor(peer, more)) return false;
        this.#add(peer, more);
        own = bytes;
        return true;
      },
    };
  }

  /** A peer that would be the only one to hold anything may hold more than all of it: something must get through. */
  #hasRoomFor(peer: PeerId, bytes: number): boolean {
    return this.#held === 0 || (this.#heldBy.get(peer) ?? 0) + bytes <= this.totalBytes - this.#held;
  }

  #add(peer: PeerId, bytes: number): void {
    const own = (this.#heldBy.get(peer) ?? 0) + bytes;
    if (own > 0) this.#heldBy.set(peer, own);
    else this.#heldBy.delete(peer);
    this.#held += bytes;
  }
}
