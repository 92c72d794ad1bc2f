/**
 * The cable of a board: full duplex, first come first served each way, behind a switch that is no bottleneck. Bytes begin to
 * arrive a latency after they begin to leave, so one piece is not held up twice.
 */
import type { LinkProfile } from '../core/cost/cost-model.ts';
import type { EventQueue } from './event-queue.ts';

/** One way of a cable. */
class Lane {
  #freeMs = 0;
  busyMs = 0;

  /** @returns when the last byte is through. */
  occupy(fromMs: number, durationMs: number): { readonly startMs: number; readonly endMs: number } {
    const startMs = Math.max(fromMs, this.#freeMs);
    this.#freeMs = startMs + durationMs;
    this.busyMs += durationMs;
    return { startMs, endMs: this.#freeMs };
  }
}

export interface Passage {
  /** At the sender: first byte out, last byte out. */
  readonly sentMs: readonly [number, number];
  /** At the receiver. */
  readonly receivedMs: readonly [number, number];
}

export class Link {
  readonly profile: LinkProfile;
  readonly #out = new Lane();
  readonly #in = new Lane();

  constructor(profile: LinkProfile) {
    this.profile = profile;
  }

  get busyMs(): { readonly in: number; readonly out: number } {
    return { in: this.#in.busyMs, out: this.#out.busyMs };
  }

  /** Sends bytes down the cable and up another one. */
  carry(queue: EventQueue, to: Link, bytes: number, onArrival: (passage: Passage) => void): void {
    const sent = this.#out.occupy(queue.nowMs, (bytes / this.profile.bytesPerSecond) * 1000);
    const latencyMs = Math.max(this.profile.latencyMs, to.profile.latencyMs);
    queue.at(sent.startMs + latencyMs, () => {
      const received = to.#in.occupy(queue.nowMs, (bytes / to.profile.bytesPerSecond) * 1000);
      const endMs = Math.max(received.endMs, sent.endMs + latencyMs);
      queue.at(endMs, () => onArrival({ sentMs: [sent.startMs, sent.endMs], receivedMs: [received.startMs, endMs] }));
    });
  }
}
