/** How slow other peers have been of late, each as this peer has seen it itself. */
import { MEMBERSHIP_DEFAULTS } from '../core/membership/member.ts';
import type { PeerId } from '../core/ids.ts';
import { AS_IT_SAYS, LATE_SLOWDOWN, observePace, paceAt, type Pace } from '../core/schedule/pace.ts';
import { RecentMap } from './recent-map.ts';

export class Paces {
  readonly #known = new RecentMap<PeerId, Pace>(MEMBERSHIP_DEFAULTS.maxMembers);
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Others did its work. */
  late(peer: PeerId): void {
    this.#known.set(peer, { slowdown: LATE_SLOWDOWN, atMs: this.#now() });
  }

  /** It took so many times longer than planned. */
  seen(peer: PeerId, times: number): void {
    this.#known.set(peer, observePace(this.#of(peer), times, this.#now()));
  }

  /** What it can do a second, of what it says it can. */
  believed(peer: PeerId, macsPerSecond: number): number {
    return macsPerSecond / paceAt(this.#of(peer), this.#now());
  }

  #of(peer: PeerId): Pace {
    return this.#known.get(peer) ?? AS_IT_SAYS;
  }
}
