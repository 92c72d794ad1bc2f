/**
 * The models that a peer can run, wherever they are: in its own store, announced by other members, or shipped with the
 * program. What is missing here is fetched when it is needed.
 */
import { chunkRange } from '../../models/chunks.ts';
import { isZooName, ZOO } from '../../models/zoo/index.ts';
import { MeshError } from '../core/errors.ts';
import type { Graph } from '../core/graph/graph.ts';
import { isModelId, type ModelId, type PeerId } from '../core/ids.ts';
import type { HeldModel } from '../core/membership/heartbeat.ts';
import { neverAborted } from './model-store/cancellation.ts';
import type { ModelFetcher, OnFetchProgress, Room } from './model-store/fetcher.ts';
import type { ModelSpace, Reservation } from './model-store/model-space.ts';
import type { ModelStore, StoredModel } from './model-store/model-store.ts';
import type { OnSized } from './model-store/unpack.ts';
import type { ByteRange, ModelAccess } from './ports.ts';
import { RecentMap } from './recent-map.ts';
import type { WeightFile } from '../../kernels/kernel.ts';

/** A model that another member says it holds some of. */
export interface Announcement extends HeldModel {
  readonly peer: PeerId;
}

export interface LibraryParts {
  readonly self: PeerId;
  readonly store: ModelStore;
  readonly fetcher: ModelFetcher;
  /** What the other members announce now. */
  readonly announcements: () => readonly Announcement[];
  readonly space: Pick<ModelSpace, 'reserve'>;
  /** Told when the set of models here has changed. */
  readonly onChange: () => void;
}

/** How many models that went for others are remembered. */
const EVICTED_MODELS = 256;
/** How many models' holders are remembered beside what heartbeats say. */
const NOTED_MODELS = 256;
const MAX_FORGOTTEN = 1024;

export type OnProgress = (stage: string, completed: number, total: number) => void;

export class ModelLibrary implements ModelAccess {
  readonly #parts: LibraryParts;
  readonly #noted = new RecentMap<ModelId, ReadonlySet<PeerId>>(NOTED_MODELS);
  readonly #forgotten = new Set<ModelId>();
  readonly #evictedAtMs = new RecentMap<ModelId, number>(EVICTED_MODELS);
  readonly #zooImports = new Map<string, Promise<StoredModel>>();

  constructor(parts: LibraryParts) {
    this.#parts = parts;
  }

  /** What this peer announces. */
  held(): HeldModel[] {
    return this.#parts.store.list().map(({ id, manifest, bytesHeld }) => ({
      id,
      name: manifest.name,
      bytesHeld,
      bytesTotal: manifest.blob.byteLength,
    }));
  }

  /** Models that anybody in the mesh holds. */
  known(): ModelId[] {
    const ids = [...this.held(), ...this.#parts.announcements()].map(({ id }) => id);
    return [...new Set(ids)].sort();
  }

  /** Models of which this peer keeps its share: all but those that were removed here and not asked for since. */
  wanted(): ModelId[] {
    return this.known().filter((id) => !this.#forgotten.has(id));
  }

  /** The model goes from here: it is not fetched again until somebody asks for it. */
  forget(id: ModelId): void {
    this.#forgotten.add(id);
    if (this.#forgotten.size > MAX_FORGOTTEN) this.#forgotten.delete(this.#forgotten.values().next().value!);
  }

  /** The model went from here for others: as `forget`. */
  noteEviction(id: ModelId): void {
    this.forget(id);
    this.#evictedAtMs.set(id, Date.now());
  }

  /** When the model last went from here for others, Unix time, unless it was asked for since. */
  evictedAtMs(id: ModelId): number | undefined {
    return this.#evictedAtMs.get(id);
  }

  noteHolder(id: ModelId, peer: PeerId): void {
    this.#noted.set(id, new Set([...(this.#noted.get(id) ?? []), peer]));
  }

  /** Other members that hold some of a model, those with the most of it first. */
  holders(id: ModelId): PeerId[] {
    const announced = this.#parts
      .announcements()
      .filter((announcement) => announcement.id === id)
      .sort((a, b) => b.bytesHeld - a.bytesHeld || (a.peer < b.peer ? -1 : 1))
      .map(({ peer }) => peer);
    const noted = [...(this.#noted.get(id) ?? [])].filter((peer) => peer !== this.#parts.self);
    return [...new Set([...announced, ...noted])];
  }

  /**
   * The model of that name or id, its manifest and graph here: this peer's own first, then what members announce, then what
   * comes with the program.
   * @throws MeshError MODEL_NOT_FOUND naming the models there are.
   */
  async find(nameOrId: string, signal: AbortSignal, onProgress: OnProgress = () => undefined): Promise<StoredModel> {
    const { store, fetcher } = this.#parts;
    const announced = this.#announcedAs(nameOrId);
    const isHere = this.held().some(({ id, name }) => id === nameOrId || name === nameOrId);
    if (isHere) return this.#remember(store.get(store.resolve(nameOrId)));
    if (announced !== undefined) {
      onProgress('fetching the model', 0, 0);
      const model = await fetcher.ensureModel(announced, signal);
      this.#parts.onChange();
      return this.#remember(model);
    }
    if (isZooName(nameOrId)) return this.#remember(await this.#fromZoo(nameOrId, signal, onProgress));
    const names = new Set([...this.held(), ...this.#parts.announcements()].map(({ name }) => name));
    for (const name of Object.keys(ZOO)) names.add(name);
    throw new MeshError(
      'MODEL_NOT_FOUND',
      `there is no model "${nameOrId}" in the mesh: import it with "tilemesh import FILE.onnx --name ${nameOrId}", or use one of: ${[...names].sort().join(', ')}`,
    );
  }

  /** Somebody asks for it: this peer keeps its share of it again. */
  #remember(model: StoredModel): StoredModel {
    this.#noteUse(model.id);
    return model;
  }

  #noteUse(id: ModelId): void {
    this.#forgotten.delete(id);
    this.#evictedAtMs.delete(id);
    if (this.#parts.store.has(id)) this.#parts.store.noteUse(id);
  }

  /** Keeps room for weights to come; undefined where all are here. @throws MeshError STORAGE_FAILED, CANCELLED. */
  async #reserve(
    { id, manifest }: StoredModel,
    ranges: readonly ByteRange[],
    signal: AbortSignal,
  ): Promise<Reservation | undefined> {
    const { store, space } = this.#parts;
    const { byteLength } = manifest.blob;
    const missing = await store.missing(id, ranges, signal);
    const bytes = missing.reduce((sum, index) => sum + chunkRange(byteLength, index).length, 0);
    if (bytes === 0) return undefined;
    return space.reserve({ bytes, name: `the weights of ${manifest.name}`, id, isAsked: true }, signal);
  }

  /**
   * Takes in a model, the room for it made before anything is written.
   * @param take is the store's import. @throws MeshError as that, STORAGE_FAILED where there is no room.
   */
  async takeIn(
    name: string,
    take: (onSized: OnSized) => Promise<StoredModel>,
    signal: AbortSignal,
  ): Promise<StoredModel> {
    let reservation: Reservation | undefined;
    const onSized: OnSized = async (graphBytes, weightBytes) => {
      const arrival = { bytes: graphBytes + weightBytes, graphBytes, name, isAsked: true };
      reservation = await this.#parts.space.reserve(arrival, signal);
    };
    try {
      return await take(onSized);
    } finally {
      reservation?.release();
    }
  }

  /** The id that most members mean by a name. */
  #announcedAs(nameOrId: string): ModelId | undefined {
    const votes = new Map<ModelId, number>();
    for (const { id, name } of this.#parts.announcements()) {
      if (id === nameOrId || name === nameOrId) votes.set(id, (votes.get(id) ?? 0) + 1);
    }
    const ranked = [...votes].sort(([a, votesA], [b, votesB]) => votesB - votesA || (a < b ? -1 : 1));
    return ranked[0]?.[0] ?? (isModelId(nameOrId) && this.#parts.store.has(nameOrId) ? nameOrId : undefined);
  }

  /** Builds a network of the zoo into the store; requests that come meanwhile wait for the same import. */
  async #fromZoo(name: string, signal: AbortSignal, onProgress: OnProgress): Promise<StoredModel> {
    let importing = this.#zooImports.get(name);
    if (importing === undefined) {
      const show: OnFetchProgress = (completed, total) => onProgress(`making the weights of ${name}`, completed, total);
      const take = (onSized: OnSized) => this.#parts.store.importZoo(name, { onProgress: show, onSized });
      // Others may be waiting for the same when this one has gone.
      importing = this.takeIn(name, take, neverAborted);
      this.#zooImports.set(name, importing);
      importing
        .then(
          () => this.#parts.onChange(),
          () => undefined,
        )
        .finally(() => this.#zooImports.delete(name));
    }
    const model = await importing;
    signal.throwIfAborted();
    return model;
  }

  async graph(id: ModelId, signal: AbortSignal): Promise<Graph> {
    await this.#learn(id, 'made', signal);
    return this.#parts.store.graph(id);
  }

  /** Takes in what others announce, as far as there is room; failures show when a model is asked for. */
  async learnAnnounced(signal: AbortSignal): Promise<void> {
    await Promise.allSettled(this.known().map((id) => this.#learn(id, 'free', signal)));
  }

  async #learn(id: ModelId, room: Room, signal: AbortSignal): Promise<void> {
    if (this.#parts.store.has(id)) return;
    await this.#parts.fetcher.ensureModel(id, signal, room);
    this.#parts.onChange();
  }

  async weights(
    id: ModelId,
    ranges: readonly ByteRange[],
    signal: AbortSignal,
    onProgress: (completedBytes: number, totalBytes: number) => void,
  ): Promise<WeightFile | null> {
    const { store, fetcher } = this.#parts;
    this.#noteUse(id);
    if (ranges.length === 0) return null;
    const reservation = await this.#reserve(await fetcher.ensureModel(id, signal), ranges, signal);
    const show: OnFetchProgress = (completed, total) => {
      reservation?.arrived(completed);
      onProgress(completed, total);
    };
    try {
      await fetcher.ensureRanges(id, ranges, signal, show);
    } finally {
      reservation?.release();
    }
    return store.weightFile(id);
  }
}
