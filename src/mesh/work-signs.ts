/**
 * What a participant tells its coordinator while it works: tiles computed, several in one message, and, when there are none
 * for a while, that it still prepares or computes. So silence means that it waits for others; one that waits for long asks
 * whether it still should.
 */
import type { TilePlace } from '../../protocols/plan/messages.ts';
import { MAX_PROGRESS_TILES } from '../../protocols/plan/constants.ts';
import type { Clock } from './ports.ts';

export type WorkSign =
  | { readonly kind: 'preparing'; readonly completedBytes: number; readonly totalBytes: number }
  | { readonly kind: 'progress'; readonly tiles: readonly TilePlace[] }
  /** Prepared, and waiting for pieces for long: the answer says whether they are still to come. */
  | { readonly kind: 'ready' };

export interface WorkSignsParts {
  readonly clock: Clock;
  readonly tell: (sign: WorkSign) => void;
  /** Whether a tile is being computed or its result is on its way. */
  readonly isComputing: () => boolean;
}

/** No more than one message in this time. */
export const TELL_INTERVAL_MS = 250;
/** Without news, one in this time: several within the silence that a coordinator bears. */
export const SIGN_INTERVAL_MS = 400;
/** Whoever waits asks in this time whether it is for nothing: longer than a coordinator bears silence. */
export const WAIT_INTERVAL_MS = 5_000;

export class WorkSigns {
  readonly #parts: WorkSignsParts;
  readonly #tiles: TilePlace[] = [];
  #isPreparing = true;
  #bytes = { completedBytes: 0, totalBytes: 0 };
  #hasNews = false;
  #toldMs: number;
  #hasSaidPreparing = false;
  #cancel = (): void => undefined;

  constructor(parts: WorkSignsParts) {
    this.#parts = parts;
    this.#toldMs = parts.clock.now();
    this.#wait();
  }

  /** Whether the coordinator has been told that this participant prepares. */
  get hasSaidPreparing(): boolean {
    return this.#hasSaidPreparing;
  }

  /** Weights are being fetched. */
  fetched(completedBytes: number, totalBytes: number): void {
    this.#bytes = { completedBytes, totalBytes };
    this.#hasNews = true;
  }

  prepared(): void {
    this.#isPreparing = false;
    this.#hasNews = false;
  }

  computed({ block, part }: TilePlace): void {
    this.#tiles.push({ block, part });
    this.#hasNews = true;
  }

  stop(): void {
    this.#cancel();
  }

  #wait(): void {
    this.#cancel = this.#parts.clock.after(TELL_INTERVAL_MS, () => {
      this.#wait();
      this.#look();
    });
  }

  #look(): void {
    const { clock, isComputing, tell } = this.#parts;
    const isAtWork = this.#isPreparing || isComputing();
    const silentMs = clock.now() - this.#toldMs;
    const isDue = this.#hasNews || silentMs >= (isAtWork ? SIGN_INTERVAL_MS : WAIT_INTERVAL_MS);
    if (!isDue) return;
    this.#toldMs = clock.now();
    if (!isAtWork && !this.#hasNews) tell({ kind: 'ready' });
    else if (this.#isPreparing) {
      this.#hasSaidPreparing = true;
      tell({ kind: 'preparing', ...this.#bytes });
    } else tell({ kind: 'progress', tiles: this.#tiles.splice(0, MAX_PROGRESS_TILES) });
    this.#hasNews = this.#tiles.length > 0;
  }
}
