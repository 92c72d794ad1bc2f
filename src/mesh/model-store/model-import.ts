/** A model from a file or from the zoo, made into a folder that the store can adopt. */
import {
  encodeManifest,
  isModelName,
  MANIFEST_SCHEMA,
  modelIdOf,
  type ModelManifest,
} from '../../../models/manifest.ts';
import { packageOf, readPackage, type ModelPackage } from '../../../models/package.ts';
import { fitTask } from '../../../models/tasks/fit-task.ts';
import type { TaskSpec } from '../../../models/tasks/task.ts';
import { isZooName, ZOO } from '../../../models/zoo/index.ts';
import { MeshError } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import { assertNotAborted, neverAborted } from './cancellation.ts';
import { assertTaskFits, sealModelFolder } from './model-folder.ts';
import { unpack, type OnImportProgress, type OnSized } from './unpack.ts';

export interface ImportOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: OnImportProgress;
  /** Awaited before anything of the model is written; what it throws ends the import. */
  readonly onSized?: OnSized;
}

export interface ImportDescription {
  readonly name: string;
  /** `tensors` unless told. Ports may be open. */
  readonly task?: TaskSpec;
  readonly description?: string;
  readonly licence?: string;
  readonly source?: string;
}

/** A model to import, and what its manifest will say beside the digests. */
export interface ImportSource {
  readonly model: ModelPackage;
  readonly facts: Omit<ModelManifest, 'schema' | 'graph' | 'blob'>;
}

/** @throws MeshError INVALID_ARGUMENT, INVALID_MODEL. */
export async function onnxSource(file: string | Uint8Array, description: ImportDescription): Promise<ImportSource> {
  const { name, task = { kind: 'tensors' }, licence = '', source = '' } = description;
  if (!isModelName(name)) {
    throw new MeshError(
      'INVALID_ARGUMENT',
      `"${name}" cannot be a model's name: use up to 63 letters, digits, ".", "_" and "-", a letter or digit first`,
    );
  }
  const model = typeof file === 'string' ? await readPackage(file) : packageOf(file);
  return {
    model,
    facts: {
      name,
      description: description.description ?? '',
      licence,
      source,
      weights: 'imported',
      task: fitTask(task, model.graph),
    },
  };
}

/** @throws MeshError MODEL_NOT_FOUND, NOT_FOUND where a package that holds it is not installed. */
export async function zooSource(name: string): Promise<ImportSource> {
  if (!isZooName(name)) {
    const names = Object.keys(ZOO).join(', ');
    throw new MeshError('MODEL_NOT_FOUND', `"${name}" does not come with tilemesh; these do: ${names}`);
  }
  const entry = ZOO[name];
  const { description, licence, source, weights } = entry;
  const model = await entry.open();
  return { model, facts: { name, description, licence, source, weights, task: await entry.task() } };
}

/** Fills the empty `folder`. @throws MeshError INVALID_MODEL, STORAGE_FAILED, CANCELLED. */
export async function draftModel(
  folder: string,
  { model, facts }: ImportSource,
  { signal = neverAborted, onProgress = () => undefined, onSized = () => Promise.resolve() }: ImportOptions,
): Promise<ModelId> {
  assertTaskFits(facts.task, model.graph);
  const { graph, blob } = await unpack(folder, model, signal, { onProgress, onSized });
  const manifest = encodeManifest({ schema: MANIFEST_SCHEMA, ...facts, graph, blob });
  await sealModelFolder(folder, manifest);
  assertNotAborted(signal);
  return modelIdOf(manifest);
}
