/** How much this peer has done: counts since its start, and tiles a second over the last minute. */
import type { PeerId } from '../core/ids.ts';
import type { Clock } from './ports.ts';
import { RecentMap } from './recent-map.ts';

const WINDOW_S = 60;
const KEPT_PEERS = 256;

export class Tally {
  readonly #clock: Clock;
  readonly #startedMs: number;
  /** Tiles in each of the last seconds, by second modulo the window. */
  readonly #seconds = new Float64Array(WINDOW_S);
  readonly #sentBytes = new RecentMap<PeerId, number>(KEPT_PEERS);
  #newestS: number;
  #tiles = 0;
  #errors = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.now();
    this.#newestS = this.#second();
  }

  get tiles(): number {
    return this.#tiles;
  }

  /** Requests that came in here and failed. */
  get errors(): number {
    return this.#errors;
  }

  /** Over the last minute, or since the start. */
  get tilesPerSecond(): number {
    this.#advance();
    const spanS = Math.min(WINDOW_S, Math.max(1, (this.#clock.now() - this.#startedMs) / 1000));
    return this.#seconds.reduce((sum, tiles) => sum + tiles, 0) / spanS;
  }

  tile(): void {
    this.#advance();
    this.#tiles += 1;
    this.#seconds[this.#newestS % WINDOW_S]! += 1;
  }

  error(): void {
    this.#errors += 1;
  }

  /** Bytes of a piece were handed to the network. */
  sent(to: PeerId, bytes: number): void {
    this.#sentBytes.set(to, this.sentBytesTo(to) + bytes);
  }

  /** Of pieces, without those that lay too far back to be remembered. */
  sentBytesTo(peer: PeerId): number {
    return this.#sentBytes.get(peer) ?? 0;
  }

  #second(): number {
    return Math.floor(this.#clock.now() / 1000);
  }

  /** Empties the seconds in which nothing happened. */
  #advance(): void {
    const nowS = this.#second();
    if (nowS - this.#newestS >= WINDOW_S) this.#seconds.fill(0);
    else for (let second = this.#newestS + 1; second <= nowS; second++) this.#seconds[second % WINDOW_S] = 0;
    this.#newestS = Math.max(this.#newestS, nowS);
  }
}
