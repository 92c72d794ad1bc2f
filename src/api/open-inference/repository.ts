/**
 * The model repository extension: which models this peer can serve, and switching them on and off. Unloading deletes nothing:
 * this peer takes no more requests for the model, and goes on computing its share for other peers.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../../core/errors.ts';
import { isZooName, ZOO } from '../../../models/zoo/index.ts';
import type { PeerPort } from '../port.ts';
import { MODEL_NAME } from '../query.ts';
import type { ServedPeer } from '../served-peer.ts';

export interface IndexEntry {
  readonly name: string;
  /** Absent until the model is in the mesh. */
  readonly version?: string;
  readonly state: 'READY' | 'UNAVAILABLE';
  readonly reason: string;
}

/** `file:VERSION/NAME` with the bytes of an ONNX file; other parameters say what such a file says itself. */
export type LoadParameters = ReadonlyMap<string, Uint8Array>;
export const FILE_PARAMETER = /^file:[^/]+\/[^/]+$/;

export class Repository {
  readonly #peer: PeerPort;
  readonly #served: ServedPeer;
  readonly #temporaryFolder: string;

  constructor(peer: PeerPort, served: ServedPeer, temporaryFolder: string) {
    this.#peer = peer;
    this.#served = served;
    this.#temporaryFolder = temporaryFolder;
  }

  /** Models of the mesh first, then those of the program that nobody has asked for yet. */
  async index(isReadyOnly: boolean): Promise<readonly IndexEntry[]> {
    const models = await this.#peer.models();
    const here = models.map(({ name, id }): IndexEntry => {
      const isUnloaded = this.#served.unloaded.has(name);
      const isReady = !isUnloaded && this.#peer.ready();
      const reason = isReady ? '' : isUnloaded ? 'unloaded' : 'the peer takes no requests now';
      return { name, version: id, state: isReady ? 'READY' : 'UNAVAILABLE', reason };
    });
    const known = new Set(models.map(({ name }) => name));
    const others = Object.keys(ZOO)
      .filter((name) => !known.has(name))
      .map((name): IndexEntry => ({ name, state: 'UNAVAILABLE', reason: 'not loaded yet' }));
    return [...here, ...others].filter(({ state }) => !isReadyOnly || state === 'READY');
  }

  /**
   * Makes a model known to the mesh: from the file that came along, from another peer, or from those of the program.
   * @throws MeshError MODEL_NOT_FOUND, INVALID_ARGUMENT, INVALID_MODEL, CONFLICT, STORAGE_FAILED; nothing has changed then.
   */
  async load(name: string, files: LoadParameters, signal: AbortSignal): Promise<void> {
    if (files.size > 1) {
      throw new MeshError('INVALID_ARGUMENT', 'a model is one ONNX file here: send one, or use tilemesh import');
    }
    for (const bytes of files.values()) await this.#import(name, bytes, signal);
    const { id, name: found } = await this.#peer.taskOf(name);
    for (const key of [id, found]) this.#served.unloaded.delete(key);
  }

  /** @throws MeshError MODEL_NOT_FOUND. */
  async unload(nameOrId: string): Promise<void> {
    const { id, name } = await findModel(this.#peer, nameOrId);
    for (const key of [id, name]) this.#served.unloaded.add(key);
  }

  async #import(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    if (!MODEL_NAME.test(name)) {
      throw new MeshError(
        'INVALID_ARGUMENT',
        'a model is called by up to 64 letters, digits, dots, dashes and underscores',
      );
    }
    await mkdir(this.#temporaryFolder, { recursive: true });
    const folder = await mkdtemp(join(this.#temporaryFolder, 'load-'));
    try {
      const file = join(folder, 'model.onnx');
      await writeFile(file, bytes);
      await this.#peer.importOnnx(file, { name }, () => undefined, signal);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/**
 * A model that somebody in the mesh holds.
 * @param version its id; whichever there is where absent or empty
 * @throws MeshError MODEL_NOT_FOUND naming what to do.
 */
export async function findModel(
  peer: PeerPort,
  nameOrId: string,
  version = '',
): Promise<Awaited<ReturnType<PeerPort['models']>>[number]> {
  const models = await peer.models();
  const found = models.filter((model) => model.name === nameOrId || model.id === nameOrId);
  const wanted = found.find(({ id }) => version === '' || id === version);
  if (wanted !== undefined) return wanted;
  if (found[0] !== undefined) throw noVersion(nameOrId, version, found[0].id);
  const remedy = isZooName(nameOrId)
    ? `load it with POST /v2/repository/models/${nameOrId}/load`
    : 'see "npx tilemesh models"';
  throw new MeshError('MODEL_NOT_FOUND', `no peer has a model "${nameOrId}": ${remedy}`);
}

export const noVersion = (model: string, version: string, there: string): MeshError =>
  new MeshError(
    'MODEL_NOT_FOUND',
    `there is no version "${version.slice(0, 64)}" of "${model}": its version is ${there}; leave it out to take whichever there is`,
  );
