/**
 * The coordinator's view of one attempt: who has to get ready, which tiles are still out, and whom to blame when nothing
 * moves any more.
 */
import type { PeerId } from '../core/ids.ts';
import { taskKey } from '../core/plan/dataflow.ts';
import type { Plan } from '../core/plan/plan.ts';

export class AttemptProgress {
  readonly #plan: Plan;
  readonly #unready: Set<PeerId>;
  /** Tiles not reported yet, by block. */
  readonly #open: Map<string, PeerId>[];
  readonly #computeMs = new Map<string, number>();

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#unready = new Set(plan.participants);
    this.#open = plan.blocks.map(
      (block, index) =>
        new Map(
          block.parts.map(
            (part, position) => [taskKey(index, position), plan.participants[part.participant]!] as const,
          ),
        ),
    );
  }

  get isReady(): boolean {
    return this.#unready.size === 0;
  }

  get unready(): readonly PeerId[] {
    return [...this.#unready];
  }

  markReady(peer: PeerId): void {
    this.#unready.delete(peer);
  }

  /** @returns whether the tile was open and is that peer's. */
  markDone(peer: PeerId, block: number, part: number, computeMs: number): boolean {
    const key = taskKey(block, part);
    if (this.#open[block]?.get(key) !== peer) return false;
    this.#open[block].delete(key);
    this.#computeMs.set(key, computeMs);
    return true;
  }

  get completed(): number {
    return this.#computeMs.size;
  }

  get total(): number {
    return this.#plan.blocks.reduce((sum, block) => sum + block.parts.length, 0);
  }

  /** Those who owe a tile of the earliest unfinished block: everybody else waits for them. */
  get holdingUp(): readonly PeerId[] {
    const open = this.#open.find((block) => block.size > 0);
    return open === undefined ? [] : [...new Set(open.values())];
  }
}
