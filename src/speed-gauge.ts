/**
 * How fast this peer is, for the others to plan with. Boards that start together disturb the first measurement, so it is
 * repeated while nothing else is to be done, and the best counts.
 */
import type { Kernel } from '../kernels/kernel.ts';
import { measureSpeed } from '../kernels/profile.ts';

const FIRST_TIMEOUT_MS = 30_000;
/** When to measure again, after the first time. */
const REPEAT_AFTER_MS = [4_000, 8_000, 20_000, 60_000];

/** Two digits are as much as one measurement is worth, and plans are remembered by what peers say of themselves. */
const rounded = (value: number): number => Number(value.toPrecision(2));

export class SpeedGauge {
  readonly #kernel: Kernel;
  readonly #isIdle: () => boolean;
  readonly #given: number;
  readonly #stopping = new AbortController();
  #timers: NodeJS.Timeout[] = [];
  #best = 0;

  /** @param given a speed to take instead of measuring; 0: none. */
  constructor(kernel: Kernel, isIdle: () => boolean, given: number) {
    this.#kernel = kernel;
    this.#isIdle = isIdle;
    this.#given = given;
  }

  /** Measures once, and calls back when a later measurement is better. Multiply-accumulates per second. */
  async start(onFaster: (macsPerSecond: number) => void): Promise<number> {
    if (this.#given > 0) return this.#given;
    const { signal } = this.#stopping;
    this.#best = rounded(
      await measureSpeed(this.#kernel, AbortSignal.any([signal, AbortSignal.timeout(FIRST_TIMEOUT_MS)])),
    );
    this.#timers = REPEAT_AFTER_MS.map((delayMs) => setTimeout(() => void this.#again(onFaster), delayMs));
    return this.#best;
  }

  stop(): void {
    this.#stopping.abort();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #again(onFaster: (macsPerSecond: number) => void): Promise<void> {
    if (!this.#isIdle()) return;
    try {
      const speed = rounded(await measureSpeed(this.#kernel, this.#stopping.signal));
      if (speed <= this.#best * 1.1) return;
      this.#best = speed;
      onFaster(speed);
    } catch {
      // A kernel that fails will say so where it is needed.
    }
  }
}
