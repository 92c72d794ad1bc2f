/**
 * Spreads models over the mesh while nobody needs the machine: each chunk should live on several peers, chosen without a
 * message by rendezvous hashing, so that the loss of any board loses no weights.
 */
import { setTimeout } from 'node:timers/promises';
import { CHUNK_BYTES, chunkRange } from '../../../models/chunks.ts';
import { toMeshError, type MeshError } from '../../core/errors.ts';
import type { ModelId, PeerId } from '../../core/ids.ts';
import { hasBit } from '../../core/placement/bitmap.ts';
import { chunksToHold } from '../../core/placement/rendezvous.ts';
import { assertNotAborted } from './cancellation.ts';
import type { ModelFetcher } from './fetcher.ts';
import type { ModelStore } from './model-store.ts';

export interface ReplicatorOptions {
  /** Peers that each chunk should live on. */
  readonly copies: number;
  /** Between two looks at what is missing. */
  readonly intervalMs: number;
  /** How often a busy or paused peer looks whether it may go on. */
  readonly busyPollMs: number;
  /** Chunks fetched between two looks at whether the peer is still idle. */
  readonly batchChunks: number;
  readonly bytesPerSecond: number;
}

export const REPLICATOR_DEFAULTS: ReplicatorOptions = Object.freeze({
  /** A mesh of up to five boards loses none of its weights, and need fetch none, whichever board it loses. */
  copies: 5,
  intervalMs: 60_000,
  busyPollMs: 250,
  batchChunks: 4,
  /** Half of a Gigabit link. */
  bytesPerSecond: 60_000_000,
});

export interface ReplicatorPorts {
  readonly self: PeerId;
  readonly store: ModelStore;
  readonly fetcher: Pick<ModelFetcher, 'ensureModel' | 'ensureRanges'>;
  /** Models known anywhere in the mesh. */
  readonly models: () => readonly ModelId[];
  /** Peers that are alive, this one included. */
  readonly members: () => readonly PeerId[];
  /** Whether so many bytes more have room here. */
  readonly hasRoomFor: (bytes: number) => boolean;
  /** Whether the machine has nothing better to do. */
  readonly isIdle: () => boolean;
  /** Told of models that could not be replicated; they are tried again in the next round. */
  readonly onFailure?: (id: ModelId, error: MeshError) => void;
  /** Waits; rejects when the signal is aborted. A test's clock goes here. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Checked between two looks at whether the peer is still idle. */
const CHECKED_BYTES = 8 * CHUNK_BYTES;

const sleepUnnoticed = async (ms: number, signal: AbortSignal): Promise<void> => {
  await setTimeout(ms, undefined, { signal, ref: false });
};

export class Replicator {
  readonly #ports: ReplicatorPorts;
  readonly #options: ReplicatorOptions;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  #running: { readonly controller: AbortController; readonly ended: Promise<void> } | null = null;
  #isPaused = false;
  readonly #checked = new Set<ModelId>();
  #nudged = Promise.withResolvers<void>();

  constructor(ports: ReplicatorPorts, options: ReplicatorOptions = REPLICATOR_DEFAULTS) {
    this.#ports = ports;
    this.#options = options;
    this.#sleep = ports.sleep ?? sleepUnnoticed;
  }

  /** Looks at once, then at intervals. */
  start(): void {
    if (this.#running !== null) return;
    const controller = new AbortController();
    this.#running = { controller, ended: this.#run(controller.signal) };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    running?.controller.abort();
    await running?.ended;
  }

  /** Stops after the batch under way, until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  /**
   * One look: fetches what this peer should hold and does not. Failures of single models are reported, not thrown.
   * @throws MeshError CANCELLED.
   */
  async replicate(signal: AbortSignal): Promise<void> {
    for (const id of this.#ports.models()) {
      assertNotAborted(signal);
      try {
        await this.#replicateModel(id, signal);
      } catch (thrown) {
        assertNotAborted(signal);
        this.#ports.onFailure?.(id, toMeshError(thrown));
      }
    }
  }

  /** Members or models have changed: looks again soon instead of after the interval. */
  nudge(): void {
    this.#nudged.resolve();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#nudged = Promise.withResolvers<void>();
      // The only thing thrown here is the abort, which ends the loop.
      await this.replicate(signal).catch(() => undefined);
      const { promise } = this.#nudged;
      await Promise.race([this.#sleep(this.#options.intervalMs, signal), promise]).catch(() => undefined);
    }
  }

  async #replicateModel(id: ModelId, signal: AbortSignal): Promise<void> {
    const { fetcher } = this.#ports;
    const { batchChunks, bytesPerSecond } = this.#options;
    await this.#untilIdle(signal);
    const { blob } = (await fetcher.ensureModel(id, signal, 'free')).manifest;
    await this.#check(id, blob.byteLength, signal);
    for (let missing = this.#missing(id); missing.length > 0; missing = this.#missing(id)) {
      await this.#untilIdle(signal);
      const ranges = missing.slice(0, batchChunks).map((index) => chunkRange(blob.byteLength, index));
      const bytes = ranges.reduce((sum, { length }) => sum + length, 0);
      if (!this.#ports.hasRoomFor(bytes)) return;
      await fetcher.ensureRanges(id, ranges, signal);
      await this.#sleep((1_000 * bytes) / bytesPerSecond, signal);
    }
  }

  /** Reads what an earlier run of this peer has left, once, so that no request has to wait for that. */
  async #check(id: ModelId, blobBytes: number, signal: AbortSignal): Promise<void> {
    if (this.#checked.has(id)) return;
    for (let offset = 0; offset < blobBytes; offset += CHECKED_BYTES) {
      await this.#untilIdle(signal);
      await this.#ports.store.missing(id, [{ offset, length: Math.min(CHECKED_BYTES, blobBytes - offset) }], signal);
    }
    this.#checked.add(id);
  }

  /** Bytes of a model's weights that this peer should hold and does not. */
  missingBytes(id: ModelId): number {
    const { store } = this.#ports;
    if (!store.has(id)) return 0;
    const { byteLength } = store.get(id).manifest.blob;
    return this.#missing(id).reduce((sum, index) => sum + chunkRange(byteLength, index).length, 0);
  }

  /** What this peer should hold and does not, as the members are now. */
  #missing(id: ModelId): number[] {
    const { store, self, members } = this.#ports;
    const { chunkDigests } = store.get(id).manifest.blob;
    const held = store.have(id);
    return chunksToHold(id, chunkDigests.length, members(), self, this.#options.copies).filter(
      (index) => !hasBit(held, index),
    );
  }

  async #untilIdle(signal: AbortSignal): Promise<void> {
    while (this.#isPaused || !this.#ports.isIdle()) await this.#sleep(this.#options.busyPollMs, signal);
  }
}
