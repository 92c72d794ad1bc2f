/** Peers that hold the key and wait for approval, as many of them as were seen last. */
import type { PeerId } from '../../core/ids.ts';

export interface Applicant {
  readonly peer: PeerId;
  /** Unix time. */
  readonly atMs: number;
}

const MAX_KEPT = 64;

export class Applicants {
  readonly #seen = new Map<PeerId, Applicant>();

  /** @returns whether it is new. */
  note(peer: PeerId, atMs: number): boolean {
    const isNew = !this.#seen.delete(peer);
    this.#seen.set(peer, { peer, atMs });
    const [first] = this.#seen.keys();
    if (this.#seen.size > MAX_KEPT && first !== undefined) this.#seen.delete(first);
    return isNew;
  }

  forget(peer: PeerId): void {
    this.#seen.delete(peer);
  }

  list(): readonly Applicant[] {
    return [...this.#seen.values()];
  }
}
