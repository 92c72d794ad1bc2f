/**
 * Who has let others down: fell silent over work it had taken, held a request without getting on, accused others again and
 * again. Such a peer is given nothing for a while, longer each time, and forgiven after a time without a fault. Each peer
 * goes by what it has seen itself: what others say of somebody counts for nothing.
 */
import type { PeerId } from '../core/ids.ts';

export interface ConductSettings {
  /** After the first fault; doubles with each further one. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  readonly forgiveMs: number;
}

export const CONDUCT_DEFAULTS: ConductSettings = Object.freeze({
  firstPauseMs: 5_000,
  maxPauseMs: 300_000,
  forgiveMs: 600_000,
});

interface Mark {
  readonly faults: number;
  readonly atMs: number;
}

/** More than a mesh has members. */
const MAX_MARKS = 1024;

export class Conduct {
  readonly #marks = new Map<PeerId, Mark>();
  readonly #settings: ConductSettings;
  readonly #now: () => number;

  constructor(now: () => number, settings: ConductSettings = CONDUCT_DEFAULTS) {
    this.#now = now;
    this.#settings = settings;
  }

  fault(peer: PeerId): void {
    const faults = (this.#markOf(peer)?.faults ?? 0) + 1;
    this.#marks.delete(peer);
    this.#marks.set(peer, { faults, atMs: this.#now() });
    const [oldest] = this.#marks.keys();
    if (this.#marks.size > MAX_MARKS && oldest !== undefined) this.#marks.delete(oldest);
  }

  /** Whether to give it nothing for now. */
  isBenched(peer: PeerId): boolean {
    const mark = this.#markOf(peer);
    if (mark === undefined) return false;
    const { firstPauseMs, maxPauseMs } = this.#settings;
    return this.#now() - mark.atMs < Math.min(maxPauseMs, firstPauseMs * 2 ** (mark.faults - 1));
  }

  #markOf(peer: PeerId): Mark | undefined {
    const mark = this.#marks.get(peer);
    return mark !== undefined && this.#now() - mark.atMs < this.#settings.forgiveMs ? mark : undefined;
  }
}
