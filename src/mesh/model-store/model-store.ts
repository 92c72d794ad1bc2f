/**
 * The models of this peer, by content: what is known of each, and those of its weights that are here. Everything is
 * written beside its place and renamed into it, so that a crash leaves a model or none.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { chunksOf, type ByteRange } from '../../../models/chunks.ts';
import { decodeManifest, modelIdOf, sha256, type ModelManifest } from '../../../models/manifest.ts';
import { MeshError, toMeshError } from '../../core/errors.ts';
import type { Graph } from '../../core/graph/graph.ts';
import { isModelId, type ModelId } from '../../core/ids.ts';
import { neverAborted } from './cancellation.ts';
import {
  copyMissing,
  decodeModelGraph,
  MANIFEST_FILE,
  openModelFolder,
  writeModelFolder,
  type ModelFolder,
} from './model-folder.ts';
import {
  draftModel,
  onnxSource,
  zooSource,
  type ImportDescription,
  type ImportOptions,
  type ImportSource,
} from './model-import.ts';
import { onDisk } from './storage.ts';

export type { ImportDescription, ImportOptions } from './model-import.ts';

export interface StoredModel {
  readonly id: ModelId;
  readonly manifest: ModelManifest;
  /** Bytes of its weights that are on this peer, of `manifest.blob.byteLength`. */
  readonly bytesHeld: number;
  /** When somebody last asked for it here, or it came here; Unix time. */
  readonly usedAtMs: number;
}

const DRAFT_PREFIX = '.draft-';
/** How exactly the last use of a model is known after a restart. */
const USE_RESOLUTION_MS = 60_000;

/** Unix times. */
interface LastUse {
  readonly atMs: number;
  /** As the file system knows it. */
  readonly savedMs: number;
}

export class ModelStore {
  readonly #folder: string;
  readonly #onDamaged: (error: MeshError) => void;
  readonly #models = new Map<ModelId, ModelFolder>();
  readonly #graphs = new Map<ModelId, Graph>();
  readonly #uses = new Map<ModelId, LastUse>();
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, onDamaged: (error: MeshError) => void) {
    this.#folder = folder;
    this.#onDamaged = onDamaged;
  }

  /**
   * Opens `<dataFolder>/models`, creating it when needed. One process at a time may have a data folder open.
   * @param onDamaged is told of models that cannot be used and are left out, and of parts of weights that the disk has damaged.
   * @throws MeshError STORAGE_FAILED.
   */
  static async open(dataFolder: string, onDamaged: (error: MeshError) => void = () => undefined): Promise<ModelStore> {
    const folder = resolve(dataFolder, 'models');
    const store = new ModelStore(folder, onDamaged);
    const names = await onDisk(`open ${folder}`, async () => {
      await mkdir(folder, { recursive: true });
      return readdir(folder);
    });
    for (const name of names) {
      if (name.startsWith(DRAFT_PREFIX)) await rm(join(folder, name), { recursive: true, force: true });
      if (!isModelId(name)) continue;
      try {
        const path = join(folder, name);
        const { mtimeMs } = await stat(join(path, MANIFEST_FILE));
        store.#add(await openModelFolder(path, name), mtimeMs);
      } catch (error) {
        onDamaged(toMeshError(error, 'STORAGE_FAILED'));
      }
    }
    return store;
  }

  /** Saves what is not on disk yet, and closes all files. @throws MeshError STORAGE_FAILED. */
  async close(): Promise<void> {
    await this.#lastChange.catch(() => undefined);
    const models = [...this.#models.values()];
    this.#models.clear();
    await Promise.all(models.map(({ chunks }) => chunks.close()));
  }

  /** Sorted by name. */
  list(): readonly StoredModel[] {
    return [...this.#models.values()]
      .map((model) => this.#view(model))
      .sort((a, b) => compare(a.manifest.name, b.manifest.name) || compare(a.id, b.id));
  }

  has(id: ModelId): boolean {
    return this.#models.has(id);
  }

  /** @throws MeshError MODEL_NOT_FOUND. */
  get(id: ModelId): StoredModel {
    return this.#view(this.#model(id));
  }

  /** What is on disk of all models: weights, graphs and manifests. */
  get storedBytes(): number {
    return [...this.#models.values()].reduce(
      (sum, { chunks, graphBytes, manifestBytes }) =>
        sum + chunks.heldBytes() + graphBytes.byteLength + manifestBytes.byteLength,
      0,
    );
  }

  /** What graphs take of that; they are in memory as well. */
  get graphsBytes(): number {
    return [...this.#models.values()].reduce((sum, { graphBytes }) => sum + graphBytes.byteLength, 0);
  }

  /** Somebody asks for the model now. @throws MeshError MODEL_NOT_FOUND. */
  noteUse(id: ModelId): void {
    const { path } = this.#model(id);
    const atMs = Date.now();
    const savedMs = this.#uses.get(id)?.savedMs ?? 0;
    const isToBeSaved = atMs - savedMs >= USE_RESOLUTION_MS;
    this.#uses.set(id, { atMs, savedMs: isToBeSaved ? atMs : savedMs });
    if (!isToBeSaved) return;
    const seconds = atMs / 1000;
    // Only the order in which models leave a full disk depends on it.
    utimes(join(path, MANIFEST_FILE), seconds, seconds).catch(() => undefined);
  }

  /** The id of the model called so. @throws MeshError MODEL_NOT_FOUND, CONFLICT when several are called so. */
  resolve(nameOrId: string): ModelId {
    if (isModelId(nameOrId) && this.#models.has(nameOrId)) return nameOrId;
    const found = [...this.#models.values()].filter(({ manifest }) => manifest.name === nameOrId);
    if (found.length > 1) {
      const ids = found.map(({ id }) => id).join(', ');
      throw new MeshError('CONFLICT', `several models are called "${nameOrId}": name one by its id: ${ids}`);
    }
    return found[0]?.id ?? this.#model(nameOrId as ModelId).id;
  }

  /** The document that the id is the hash of, for other peers. @throws MeshError MODEL_NOT_FOUND. */
  manifestBytes(id: ModelId): Uint8Array {
    return this.#model(id).manifestBytes;
  }

  /** The graph's file, for other peers. @throws MeshError MODEL_NOT_FOUND. */
  graphBytes(id: ModelId): Uint8Array {
    return this.#model(id).graphBytes;
  }

  /** The decoded graph; the same one at each call. @throws MeshError MODEL_NOT_FOUND, INVALID_MODEL. */
  graph(id: ModelId): Graph {
    const known = this.#graphs.get(id);
    if (known !== undefined) return known;
    const { graphBytes, manifest } = this.#model(id);
    const graph = decodeModelGraph(graphBytes, manifest);
    this.#graphs.set(id, graph);
    return graph;
  }

  /** The sparse file of the model's weight blob; `missing` tells what may be read. @throws MeshError MODEL_NOT_FOUND. */
  weightFile(id: ModelId): { readonly path: string } {
    return { path: this.#model(id).chunks.path };
  }

  /** A copy of the bitmap of the chunks that are here. @throws MeshError MODEL_NOT_FOUND. */
  have(id: ModelId): Uint8Array {
    return this.#model(id).chunks.have();
  }

  /**
   * Indices of the chunks that `ranges` of the blob need and that are not here, ascending. Chunks left by an earlier
   * process are read and checked once; damaged ones count as missing.
   * @throws MeshError MODEL_NOT_FOUND, INVALID_ARGUMENT, STORAGE_FAILED, CANCELLED.
   */
  async missing(id: ModelId, ranges: readonly ByteRange[], signal: AbortSignal = neverAborted): Promise<number[]> {
    const { chunks, manifest } = this.#model(id);
    return chunks.missing(chunksOf(manifest.blob.byteLength, ranges), signal);
  }

  /** A chunk, checked; null when it is not here. @throws MeshError MODEL_NOT_FOUND, INVALID_ARGUMENT, STORAGE_FAILED. */
  async readChunk(id: ModelId, index: number): Promise<Uint8Array | null> {
    return this.#model(id).chunks.read(index);
  }

  /**
   * Stores a chunk of a known model.
   * @throws MeshError INVALID_MESSAGE when its digest is wrong, MODEL_NOT_FOUND, INVALID_ARGUMENT, STORAGE_FAILED.
   */
  async writeChunk(id: ModelId, index: number, bytes: Uint8Array): Promise<void> {
    await this.#model(id).chunks.write(index, bytes);
  }

  /** Returns when all chunks written so far would survive a loss of power. @throws MeshError STORAGE_FAILED. */
  async flush(id: ModelId): Promise<void> {
    await this.#model(id).chunks.flush();
  }

  /**
   * Takes in an ONNX file, by its path (external data is looked for beside it) or as bytes.
   * @throws MeshError INVALID_ARGUMENT for an unusable name, CONFLICT for one that is taken, INVALID_MODEL,
   *   STORAGE_FAILED, CANCELLED. Nothing is left behind.
   */
  async importOnnx(
    source: string | Uint8Array,
    description: ImportDescription,
    options: ImportOptions = {},
  ): Promise<StoredModel> {
    return this.#import(await onnxSource(source, description), options);
  }

  /** Takes in a network that comes with tilemesh. @throws MeshError MODEL_NOT_FOUND, and as `importOnnx`. */
  async importZoo(name: string, options: ImportOptions = {}): Promise<StoredModel> {
    return this.#import(await zooSource(name), options);
  }

  /**
   * Takes in what another peer says about a model; its weights are missing until they are written.
   * @throws MeshError INVALID_MODEL when the two do not fit together or are not valid, STORAGE_FAILED.
   */
  async addManifest(manifestBytes: Uint8Array, graphBytes: Uint8Array): Promise<StoredModel> {
    const manifest = decodeManifest(manifestBytes);
    if (graphBytes.byteLength !== manifest.graph.byteLength || sha256(graphBytes) !== manifest.graph.digest) {
      throw new MeshError('INVALID_MODEL', `this is not the graph that the manifest of "${manifest.name}" names`);
    }
    decodeModelGraph(graphBytes, manifest);
    return this.#inDraft(async (draft) => {
      await writeModelFolder(draft, manifestBytes, graphBytes);
      return this.#exclusively(() => this.#adopt(draft, modelIdOf(manifestBytes)));
    });
  }

  /** Forgets a model and deletes its files. @throws MeshError MODEL_NOT_FOUND, STORAGE_FAILED. */
  async remove(id: ModelId): Promise<void> {
    await this.#exclusively(async () => {
      const { chunks, path } = this.#model(id);
      this.#models.delete(id);
      this.#graphs.delete(id);
      this.#uses.delete(id);
      await chunks.close().catch(() => undefined);
      await rm(path, { recursive: true, force: true });
    });
  }

  async #import(source: ImportSource, options: ImportOptions): Promise<StoredModel> {
    return this.#inDraft(async (draft) => {
      const id = await draftModel(draft, source, options);
      return this.#exclusively(async () => {
        this.#assertNameIsFree(source.facts.name, id);
        const known = this.#models.get(id);
        if (known !== undefined) await copyMissing(draft, known);
        return this.#adopt(draft, id);
      });
    });
  }

  #assertNameIsFree(name: string, id: ModelId): void {
    const namesake = [...this.#models.values()].find((other) => other.manifest.name === name && other.id !== id);
    if (namesake === undefined) return;
    throw new MeshError('CONFLICT', `another model is called "${name}": choose a name, or remove ${namesake.id}`);
  }

  /** Moves a complete draft to its place, unless the model is there already. */
  async #adopt(draft: string, id: ModelId): Promise<StoredModel> {
    const path = join(this.#folder, id);
    if (!this.#models.has(id)) {
      // What stands there can only be a model that was found damaged.
      await rm(path, { recursive: true, force: true });
      await rename(draft, path);
      this.#add(await openModelFolder(path, id));
    }
    return this.get(id);
  }

  async #inDraft(work: (folder: string) => Promise<StoredModel>): Promise<StoredModel> {
    return onDisk(`store a model in ${this.#folder}`, async () => {
      const draft = await mkdtemp(join(this.#folder, DRAFT_PREFIX));
      try {
        return await work(draft);
      } finally {
        await rm(draft, { recursive: true, force: true });
      }
    });
  }

  /** Runs changes of the set of models one after the other. */
  async #exclusively<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#lastChange.then(() => onDisk(`change ${this.#folder}`, change));
    this.#lastChange = result.catch(() => undefined);
    return result;
  }

  #add(model: ModelFolder, usedMs = Date.now()): void {
    model.chunks.onDamaged = this.#onDamaged;
    this.#models.set(model.id, model);
    this.#uses.set(model.id, { atMs: usedMs, savedMs: usedMs });
  }

  #view({ id, manifest, chunks }: ModelFolder): StoredModel {
    return { id, manifest, bytesHeld: chunks.heldBytes(), usedAtMs: this.#uses.get(id)?.atMs ?? 0 };
  }

  #model(id: ModelId): ModelFolder {
    const model = this.#models.get(id);
    if (model !== undefined) return model;
    throw new MeshError('MODEL_NOT_FOUND', `no model "${id}" is on this peer: import it, or see "tilemesh models"`);
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
