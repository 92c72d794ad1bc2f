/** Gets models, and just the parts of their weights that are needed, from whichever peers have them. */
import { modelIdOf, sha256, decodeManifest } from '../../../models/manifest.ts';
import type { ByteRange } from '../../../models/chunks.ts';
import { MeshError, toMeshError } from '../../core/errors.ts';
import type { ModelId, PeerId } from '../../core/ids.ts';
import { assertNotAborted, neverAborted, orAborted } from './cancellation.ts';
import type { Arrival, Reservation } from './model-space.ts';
import { Download, type DownloadLimits, type OnFetchProgress } from './download.ts';
import type { ModelSource } from './model-source.ts';
import type { ModelStore, StoredModel } from './model-store.ts';
import { SharedWork } from './shared-work.ts';

export type { OnFetchProgress } from './download.ts';
export type { ModelSource } from './model-source.ts';

export interface FetcherPorts {
  readonly store: ModelStore;
  readonly source: ModelSource;
  /** Peers that claim to hold some of a model, this one excluded, the preferred ones first. */
  readonly holders: (id: ModelId) => readonly PeerId[];
  /** Told of a peer that gave something which is not the model; it will not be asked again. */
  readonly onLie?: (peer: PeerId, error: MeshError) => void;
  /** Keeps room for a model whose manifest has come, until it is released; refuses with STORAGE_FAILED. */
  readonly reserve?: (arrival: Arrival, signal: AbortSignal) => Promise<Reservation>;
}

/** `free`: nobody has asked for the model, so it takes free room only; `made`: others may go for it. */
export type Room = 'free' | 'made';

export const FETCHER_LIMITS: DownloadLimits = Object.freeze({
  /** Enough to fill a Gigabit link from boards that serve others as well. */
  maxPeers: 4,
  chunksPerRequest: 8,
  answerTimeoutMs: 5_000,
});

/** Peers remembered for having lied. */
const MAX_LIARS = 1_024;

export class ModelFetcher {
  readonly #ports: FetcherPorts;
  readonly #limits: DownloadLimits;
  readonly #models = new SharedWork<`${Room}/${ModelId}`, StoredModel>();
  readonly #downloads = new Map<ModelId, Download>();
  readonly #liars = new Set<PeerId>();
  readonly #closing = new AbortController();

  constructor(ports: FetcherPorts, limits: DownloadLimits = FETCHER_LIMITS) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /**
   * What the model is, from the store or else from a peer. Concurrent calls for the same room share the work.
   * @throws MeshError MODEL_NOT_FOUND when no peer claims to have it, UNAVAILABLE when none gave it, STORAGE_FAILED,
   *   CANCELLED.
   */
  async ensureModel(id: ModelId, signal: AbortSignal = neverAborted, room: Room = 'made'): Promise<StoredModel> {
    if (this.#ports.store.has(id)) return this.#ports.store.get(id);
    const either = AbortSignal.any([signal, this.#closing.signal]);
    return this.#models.run(`${room}/${id}`, (shared) => this.#learn(id, room, shared), either);
  }

  /**
   * Returns when these bytes of the model's weight blob are in the store, whole and checked. Only what is missing is
   * fetched, from several peers at once; concurrent calls share the work, and what has arrived stays when one fails.
   * @throws MeshError as `ensureModel`; INVALID_ARGUMENT for ranges outside the blob; UNAVAILABLE when no peer that can be
   *   reached has the rest.
   */
  async ensureRanges(
    id: ModelId,
    ranges: readonly ByteRange[],
    signal: AbortSignal = neverAborted,
    onProgress: OnFetchProgress = () => undefined,
  ): Promise<void> {
    await this.ensureModel(id, signal);
    const either = AbortSignal.any([signal, this.#closing.signal]);
    const missing = await this.#ports.store.missing(id, ranges, either);
    if (missing.length === 0) return;
    const download = this.#downloads.get(id) ?? this.#begin(id);
    try {
      await download.fetch(missing, either, onProgress);
    } finally {
      if (download.isIdle && this.#downloads.get(id) === download) this.#downloads.delete(id);
    }
  }

  /** Ends everything under way with CANCELLED. */
  close(): void {
    this.#closing.abort(new MeshError('CANCELLED', 'this peer is shutting down'));
  }

  #begin(id: ModelId): Download {
    const { store, source } = this.#ports;
    const download = new Download(
      id,
      { store, source, holders: () => this.#holders(id), onLie: (peer, error) => this.#shun(peer, error) },
      this.#limits,
    );
    this.#downloads.set(id, download);
    return download;
  }

  async #learn(id: ModelId, room: Room, signal: AbortSignal): Promise<StoredModel> {
    const holders = this.#holders(id);
    if (holders.length === 0) {
      throw new MeshError('MODEL_NOT_FOUND', `no peer has the model ${id}: import it on any of them`);
    }
    const reasons: string[] = [];
    for (const peer of holders) {
      assertNotAborted(signal);
      try {
        return await this.#learnFrom(peer, id, room, signal);
      } catch (thrown) {
        const error = toMeshError(thrown);
        if (error.code === 'STORAGE_FAILED') throw error;
        reasons.push(`${peer}: ${error.message}`);
      }
    }
    throw new MeshError('UNAVAILABLE', `no peer gave the model ${id} (${reasons.join('; ')}): try again`);
  }

  async #learnFrom(peer: PeerId, id: ModelId, room: Room, signal: AbortSignal): Promise<StoredModel> {
    const { source, store } = this.#ports;
    const manifest = await this.#ask((inTime) => source.manifest(peer, id, inTime), signal);
    if (modelIdOf(manifest) !== id) throw this.#shun(peer, lie(peer, 'its manifest has another id'));
    const { graph, name } = decodeManifest(manifest);
    const bytes = manifest.byteLength + graph.byteLength;
    const arrival = { bytes, graphBytes: graph.byteLength, name, id, isAsked: room === 'made' };
    const reservation = await this.#ports.reserve?.(arrival, signal);
    try {
      const graphBytes = await this.#ask((inTime) => source.graph(peer, id, inTime), signal);
      if (sha256(graphBytes) !== graph.digest) throw this.#shun(peer, lie(peer, 'its graph has another digest'));
      return await store.addManifest(manifest, graphBytes);
    } finally {
      reservation?.release();
    }
  }

  async #ask(question: (signal: AbortSignal) => Promise<Uint8Array | null>, signal: AbortSignal): Promise<Uint8Array> {
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(this.#limits.answerTimeoutMs)]);
    const answer = await orAborted(question(inTime), inTime);
    if (answer === null) throw new MeshError('NOT_FOUND', 'it does not hold the model');
    return answer;
  }

  #holders(id: ModelId): readonly PeerId[] {
    return this.#ports.holders(id).filter((peer) => !this.#liars.has(peer));
  }

  #shun(peer: PeerId, error: MeshError): MeshError {
    const [oldest] = this.#liars;
    if (this.#liars.size >= MAX_LIARS && oldest !== undefined) this.#liars.delete(oldest);
    this.#liars.add(peer);
    this.#ports.onLie?.(peer, error);
    return error;
  }
}

const lie = (peer: PeerId, what: string): MeshError =>
  new MeshError('INVALID_MESSAGE', `peer ${peer} is no source of this model: ${what}`);
