/**
 * The room that models take on this peer: a budget of bytes on disk, of open files and of graphs in memory. Where somebody
 * asks for a model that does not fit, the one used longest ago goes first, unless it is in use, or this peer has the only
 * copy. What nobody asked for takes free room only, so that no member makes this peer drop what it uses by announcing more.
 */
import { isZooName } from '../../../models/zoo/index.ts';
import { MeshError } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import { assertNotAborted } from './cancellation.ts';
import type { ModelStore, StoredModel } from './model-store.ts';

export interface SpaceParts {
  readonly store: ModelStore;
  /** What all models may take of the disk together. */
  readonly budgetBytes: number;
  /** Whether programs of a model are being run or prepared. */
  readonly isInUse: (id: ModelId) => boolean;
  /** Whether other peers have shown that they hold all that is here of a model. */
  readonly isHeldElsewhere: (id: ModelId, signal: AbortSignal) => Promise<boolean>;
  /** Deletes a model, and whatever was made from it. */
  readonly remove: (id: ModelId) => Promise<void>;
  /** Told of each model that went for room. */
  readonly onEvicted: (model: StoredModel) => void;
}

/** What is about to come to the disk. */
export interface Arrival {
  readonly bytes: number;
  /** Of those, the bytes that are kept in memory as well; the arrival is then a model that is new here. */
  readonly graphBytes?: number;
  /** For messages. */
  readonly name: string;
  /** The model that it is for; it does not go for it. */
  readonly id?: ModelId;
  /** Whether somebody wants it now, so that others may go for it. */
  readonly isAsked: boolean;
}

/** Room that is kept for what is on its way. */
export interface Reservation {
  /** So many of the bytes have come, and count as stored from now on. */
  arrived(bytes: number): void;
  release(): void;
}

/** How long others are asked for their copies, all together. */
const MAKE_ROOM_MS = 30_000;
/** Each model keeps a file open, and its graph in memory. Half of that is for models nobody here has asked for. */
export const SPACE_LIMITS = Object.freeze({ models: 256, graphBytes: 256 * 2 ** 20 });

interface Reserved {
  bytes: number;
  readonly graphBytes: number;
  readonly models: number;
  readonly id: ModelId | undefined;
}

export class ModelSpace {
  readonly #parts: SpaceParts;
  readonly #reserved = new Set<Reserved>();
  /** Not shown to other peers meanwhile: of two that rely on each other's copy, one at most lets its own go. */
  #leaving: ModelId | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: SpaceParts) {
    this.#parts = parts;
  }

  /** Whether a model may be gone in a moment, and is to be shown to nobody. */
  isLeaving(id: ModelId): boolean {
    return this.#leaving === id;
  }

  /** What models take and will take of the disk. */
  get usedBytes(): number {
    return this.#parts.store.storedBytes + [...this.#reserved].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whether it fits without any other model going. */
  fits({ bytes, graphBytes, isAsked }: Omit<Arrival, 'name'>): boolean {
    if (this.usedBytes + bytes > this.#parts.budgetBytes) return false;
    if (graphBytes === undefined) return true;
    const share = isAsked ? 1 : 1 / 2;
    const { store } = this.#parts;
    const models = store.list().length + [...this.#reserved].reduce((sum, reserved) => sum + reserved.models, 0);
    const graphs = store.graphsBytes + [...this.#reserved].reduce((sum, reserved) => sum + reserved.graphBytes, 0);
    return models < SPACE_LIMITS.models * share && graphs + graphBytes <= SPACE_LIMITS.graphBytes * share;
  }

  /**
   * Keeps room until it is released; models may go for it.
   * @throws MeshError STORAGE_FAILED when it does not fit, and nothing may go for it; CANCELLED.
   */
  reserve(arrival: Arrival, signal: AbortSignal): Promise<Reservation> {
    if (this.fits(arrival)) return Promise.resolve(this.#keep(arrival));
    const reservation = this.#last.then(() => this.#reserve(arrival, signal));
    this.#last = reservation.catch(() => undefined);
    return reservation;
  }

  async #reserve(arrival: Arrival, signal: AbortSignal): Promise<Reservation> {
    const { bytes, isAsked, name } = arrival;
    const { budgetBytes } = this.#parts;
    if (bytes > budgetBytes) {
      throw new MeshError(
        'STORAGE_FAILED',
        `${name} takes ${bytes} bytes, and all models together may take ${budgetBytes} here: raise models.diskBudgetBytes, or have more peers share it`,
      );
    }
    if (isAsked) await this.#makeRoom(arrival, signal);
    if (!this.fits(arrival)) throw this.#isFull(arrival);
    return this.#keep(arrival);
  }

  #keep({ bytes, graphBytes, id }: Arrival): Reservation {
    const reserved: Reserved = {
      bytes,
      graphBytes: graphBytes ?? 0,
      models: graphBytes === undefined ? 0 : 1,
      id,
    };
    this.#reserved.add(reserved);
    return {
      arrived: (arrivedBytes) => (reserved.bytes = Math.max(0, bytes - arrivedBytes)),
      release: () => void this.#reserved.delete(reserved),
    };
  }

  /** Lets models go until the arrival fits, or no more may. */
  async #makeRoom(arrival: Arrival, signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(MAKE_ROOM_MS)]);
    const oldestFirst = [...store.list()].sort((a, b) => a.usedAtMs - b.usedAtMs);
    for (const model of oldestFirst) {
      if (this.fits(arrival)) return;
      assertNotAborted(signal);
      if (patience.aborted) return;
      if (model.id === arrival.id || this.#isBusy(model.id)) continue;
      this.#leaving = model.id;
      try {
        if (await this.#mayGo(model, patience)) await this.#evict(model);
      } finally {
        this.#leaving = null;
      }
    }
  }

  #isBusy(id: ModelId): boolean {
    return this.#parts.isInUse(id) || [...this.#reserved].some((reserved) => reserved.id === id);
  }

  /** The program can make its own models again; of any other model a copy has to remain. */
  async #mayGo({ id, manifest }: StoredModel, signal: AbortSignal): Promise<boolean> {
    if (manifest.weights !== 'imported' && isZooName(manifest.name)) return true;
    return this.#parts.isHeldElsewhere(id, signal).catch(() => false);
  }

  async #evict(model: StoredModel): Promise<void> {
    // Somebody may have begun to use it while others were asked.
    if (this.#isBusy(model.id) || !this.#parts.store.has(model.id)) return;
    await this.#parts.remove(model.id);
    this.#parts.onEvicted(model);
  }

  #isFull({ name, bytes, isAsked }: Arrival): MeshError {
    const { budgetBytes, store } = this.#parts;
    const kept = isAsked
      ? 'and every other model here is in use, or has no other copy that could be verified'
      : 'and nobody here has asked for it';
    return new MeshError(
      'STORAGE_FAILED',
      `${name} takes ${bytes} bytes, ${this.usedBytes} of the ${budgetBytes} that models may take are taken by ${store.list().length} models, ${kept}: raise models.diskBudgetBytes, or remove a model with "tilemesh rm"`,
    );
  }
}
