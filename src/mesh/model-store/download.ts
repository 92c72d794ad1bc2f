/**
 * The chunks of one model on their way here: one worker per peer, several peers at once, each taking few chunks at a time
 * so that the fast ones do most of the work. What a peer fails to give, others are asked for.
 */
import { chunkRange } from '../../../models/chunks.ts';
import { MeshError, toMeshError } from '../../core/errors.ts';
import type { ModelId, PeerId } from '../../core/ids.ts';
import { bitmapBytes } from '../../core/placement/bitmap.ts';
import { orAborted } from './cancellation.ts';
import { ChunkBoard, type Want } from './chunk-board.ts';
import type { ModelSource } from './model-source.ts';
import type { ModelStore } from './model-store.ts';

export interface DownloadLimits {
  /** Peers asked at the same time, per model. */
  readonly maxPeers: number;
  /** Chunks asked for in one request. */
  readonly chunksPerRequest: number;
  /** How long a peer may take for its next answer or chunk. */
  readonly answerTimeoutMs: number;
}

export interface DownloadPorts {
  readonly store: ModelStore;
  readonly source: ModelSource;
  /** Peers that claim to hold some of the model and may be asked, the preferred ones first. */
  readonly holders: () => readonly PeerId[];
  /** Told of a peer that gave bytes which are not the model's; it is not among the holders from then on. */
  readonly onLie: (peer: PeerId, error: MeshError) => void;
}

export type OnFetchProgress = (completedBytes: number, totalBytes: number) => void;

export class Download {
  readonly #id: ModelId;
  readonly #ports: DownloadPorts;
  readonly #limits: DownloadLimits;
  readonly #chunkCount: number;
  readonly #blobBytes: number;
  readonly #board = new ChunkBoard();
  readonly #workers = new Map<PeerId, AbortController>();
  /** Peers that failed since this download began, with what they failed of. */
  readonly #failed = new Map<PeerId, MeshError>();

  constructor(id: ModelId, ports: DownloadPorts, limits: DownloadLimits) {
    const { blob } = ports.store.get(id).manifest;
    this.#id = id;
    this.#ports = ports;
    this.#limits = limits;
    this.#chunkCount = blob.chunkDigests.length;
    this.#blobBytes = blob.byteLength;
  }

  get isIdle(): boolean {
    return this.#board.wants.size === 0;
  }

  /**
   * Returns when all of `indices`, which are not empty, are in the store.
   * @throws MeshError UNAVAILABLE when no peer is left that has them, STORAGE_FAILED, MODEL_NOT_FOUND when the model was
   *   removed meanwhile, CANCELLED.
   */
  async fetch(indices: readonly number[], signal: AbortSignal, onProgress: OnFetchProgress): Promise<void> {
    const bytesOf = (index: number): number => chunkRange(this.#blobBytes, index).length;
    const totalBytes = indices.reduce((sum, index) => sum + bytesOf(index), 0);
    let completedBytes = 0;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const want: Want = {
      missing: new Set(indices),
      onArrival: (index) => onProgress((completedBytes += bytesOf(index)), totalBytes),
      onComplete: () => resolve(undefined),
      onFailure: reject,
    };
    onProgress(0, totalBytes);
    this.#board.wants.add(want);
    this.#engage();
    try {
      await orAborted(promise, signal);
    } finally {
      this.#board.wants.delete(want);
      this.#dismissWasted();
    }
  }

  /** Sets idle peers to work that can help; fails whoever waits when nobody can. */
  #engage(): void {
    if (this.isIdle) return;
    for (const peer of this.#ports.holders()) {
      if (this.#workers.size >= this.#limits.maxPeers) return;
      const canHelp = !this.#board.isKnown(peer) || this.#board.available(peer).length > 0;
      if (canHelp && !this.#workers.has(peer) && !this.#failed.has(peer)) void this.#employ(peer);
    }
    if (this.#workers.size === 0) this.#giveUp(this.#unavailable());
  }

  async #employ(peer: PeerId): Promise<void> {
    const controller = new AbortController();
    this.#workers.set(peer, controller);
    try {
      await this.#work(peer, controller.signal);
    } catch (thrown) {
      // A worker that was dismissed has done nothing wrong.
      if (!controller.signal.aborted) this.#failed.set(peer, toMeshError(thrown));
      controller.abort();
    } finally {
      this.#board.release(peer);
      this.#workers.delete(peer);
      this.#engage();
    }
  }

  async #work(peer: PeerId, signal: AbortSignal): Promise<void> {
    if (!this.#board.isKnown(peer)) {
      const held = await this.#inTime(this.#ports.source.have(peer, this.#id, signal), signal);
      if (held !== null && held.byteLength !== bitmapBytes(this.#chunkCount)) {
        throw this.#lie(peer, `its bitmap has ${held.byteLength} bytes`);
      }
      this.#board.learn(peer, held ?? new Uint8Array());
    }
    for (;;) {
      const available = this.#board.available(peer);
      if (available.length === 0) return;
      const share = Math.ceil(available.length / this.#limits.maxPeers);
      await this.#request(peer, available.slice(0, Math.min(share, this.#limits.chunksPerRequest)), signal);
    }
  }

  async #request(peer: PeerId, indices: readonly number[], signal: AbortSignal): Promise<void> {
    this.#board.claim(peer, indices);
    const pending = new Set(indices);
    const chunks = this.#ports.source.chunks(peer, this.#id, indices, signal)[Symbol.asyncIterator]();
    try {
      while (pending.size > 0) {
        const step = await this.#inTime(chunks.next(), signal);
        if (step.done === true) break;
        const { index, bytes } = step.value;
        if (!pending.delete(index)) throw this.#lie(peer, `it sent chunk ${index}, which was not asked for`);
        await this.#keep(peer, index, bytes);
      }
    } finally {
      void chunks.return?.().catch(() => undefined);
    }
    this.#board.unlearn(peer, pending);
    this.#board.release(peer);
  }

  async #keep(peer: PeerId, index: number, bytes: Uint8Array): Promise<void> {
    try {
      await this.#ports.store.writeChunk(this.#id, index, bytes);
    } catch (thrown) {
      const error = toMeshError(thrown);
      if (error.code === 'INVALID_MESSAGE') throw this.#lie(peer, `chunk ${index} has the wrong digest`);
      this.#giveUp(error);
      throw error;
    }
    this.#board.arrived(index);
  }

  #inTime<Result>(answer: Promise<Result>, signal: AbortSignal): Promise<Result> {
    return orAborted(answer, AbortSignal.any([signal, AbortSignal.timeout(this.#limits.answerTimeoutMs)]));
  }

  #lie(peer: PeerId, what: string): MeshError {
    const error = new MeshError('INVALID_MESSAGE', `peer ${peer} is no source of this model: ${what}`);
    this.#ports.onLie(peer, error);
    return error;
  }

  #giveUp(error: MeshError): void {
    for (const want of [...this.#board.wants]) want.onFailure(error);
    this.#board.wants.clear();
  }

  #unavailable(): MeshError {
    const missing = new Set([...this.#board.wants].flatMap((want) => [...want.missing])).size;
    const reasons = [...this.#failed].map(([peer, error]) => `${peer}: ${error.message}`).join('; ');
    return new MeshError(
      'UNAVAILABLE',
      `${missing} chunks of the model's weights are on no peer that can be reached` +
        `${reasons === '' ? '' : ` (${reasons})`}: bring back a peer that has them, or import the model here`,
      { details: { missing } },
    );
  }

  #dismissWasted(): void {
    for (const [peer, controller] of this.#workers) if (this.#board.isWasted(peer)) controller.abort();
  }
}
