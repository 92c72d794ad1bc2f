/** One model on disk: `manifest.json`, `graph.onnx`, `weights.bin` and `weights.have` in a folder named by its id. */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeManifest, modelIdOf, sha256, type ModelManifest } from '../../../models/manifest.ts';
import { decodeModel } from '../../../models/onnx/decode.ts';
import { outputsRead, type TaskSpec } from '../../../models/tasks/task.ts';
import { MeshError } from '../../core/errors.ts';
import type { Graph } from '../../core/graph/graph.ts';
import type { ModelId } from '../../core/ids.ts';
import { bitmapBytes } from '../../core/placement/bitmap.ts';
import { BITMAP_FILE, ChunkFile, WEIGHTS_FILE } from './chunk-file.ts';
import { writeSynced } from './storage.ts';
import { GRAPH_FILE } from './unpack.ts';

export const MANIFEST_FILE = 'manifest.json';

export interface ModelFolder {
  readonly id: ModelId;
  readonly path: string;
  readonly manifest: ModelManifest;
  readonly manifestBytes: Uint8Array;
  readonly graphBytes: Uint8Array;
  readonly chunks: ChunkFile;
}

/** Opens a model, and checks everything but its chunks. @throws MeshError INVALID_MODEL, STORAGE_FAILED. */
export async function openModelFolder(path: string, id: ModelId): Promise<ModelFolder> {
  const manifestBytes = await readFile(join(path, MANIFEST_FILE));
  if (modelIdOf(manifestBytes) !== id) throw damaged(path);
  const manifest = decodeManifest(manifestBytes);
  const graphBytes = await readFile(join(path, GRAPH_FILE));
  if (sha256(graphBytes) !== manifest.graph.digest) throw damaged(path);
  return { id, path, manifest, manifestBytes, graphBytes, chunks: await ChunkFile.open(path, manifest.blob) };
}

const damaged = (path: string): MeshError =>
  new MeshError('STORAGE_FAILED', `the model in ${path} is damaged: remove the folder and import the model again`);

/** Writes manifest, graph and an empty weight file into an existing, empty folder. */
export async function writeModelFolder(path: string, manifest: Uint8Array, graph: Uint8Array): Promise<void> {
  const { blob } = decodeManifest(manifest);
  await writeSynced(join(path, GRAPH_FILE), graph);
  const weights = await open(join(path, WEIGHTS_FILE), 'w');
  try {
    await weights.truncate(blob.byteLength);
  } finally {
    await weights.close();
  }
  await writeSynced(join(path, MANIFEST_FILE), manifest);
}

/** Finishes a folder whose graph and weights are complete. */
export async function sealModelFolder(path: string, manifest: Uint8Array): Promise<void> {
  const count = decodeManifest(manifest).blob.chunkDigests.length;
  await writeSynced(join(path, BITMAP_FILE), new Uint8Array(bitmapBytes(count)).fill(0xff));
  await writeSynced(join(path, MANIFEST_FILE), manifest);
}

/**
 * The graph of `bytes`, whose weights all lie in the blob that `manifest` describes.
 * @throws MeshError INVALID_MODEL.
 */
export function decodeModelGraph(bytes: Uint8Array, manifest: ModelManifest): Graph {
  const { graph, weightBlobBytes } = decodeModel(bytes);
  if (weightBlobBytes > manifest.blob.byteLength) {
    throw new MeshError('INVALID_MODEL', `the weights of "${manifest.name}" leave its blob: import the model again`);
  }
  assertTaskFits(manifest.task, graph);
  return graph;
}

/** @throws MeshError INVALID_MODEL when the task feeds or reads a value that the graph has not. */
export function assertTaskFits(task: TaskSpec, graph: Graph): void {
  if (task.kind === 'tensors') return;
  const ports = [
    { role: 'input', name: task.input, values: graph.inputs },
    ...outputsRead(task).map((name) => ({ role: 'output', name, values: graph.outputs })),
  ];
  for (const { role, name, values } of ports) {
    if (values.some((value) => value.name === name)) continue;
    const names = values.map((value) => value.name).join(', ');
    throw new MeshError('INVALID_MODEL', `the task names the ${role} "${name}", but the model has: ${names}`);
  }
}

/** Adds to `model` the chunks that it lacks from a complete folder of the same model. */
export async function copyMissing(folder: string, model: ModelFolder): Promise<void> {
  const source = await ChunkFile.open(folder, model.manifest.blob);
  try {
    for (const index of model.manifest.blob.chunkDigests.keys()) {
      const bytes = model.chunks.has(index) ? null : await source.read(index);
      if (bytes !== null) await model.chunks.write(index, bytes);
    }
  } finally {
    await source.close();
  }
}
