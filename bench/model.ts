/**
 * The model that is measured: imported once into a data folder of its own, and from there linked into those of all boards,
 * as if they had it from an earlier day. The weights are one file on disk then, and in memory once.
 */
import { copyFile, link, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isZooName } from '../models/zoo/index.ts';
import { decodeModelGraph, MANIFEST_FILE } from '../src/mesh/model-store/model-folder.ts';
import { BITMAP_FILE, WEIGHTS_FILE } from '../src/mesh/model-store/chunk-file.ts';
import { ModelStore } from '../src/mesh/model-store/model-store.ts';
import { GRAPH_FILE } from '../src/mesh/model-store/unpack.ts';
import { verifyInputs } from '../src/cli/verify-inputs.ts';
import { UsageError } from '../src/cli/exit.ts';
import { ZOO } from '../models/zoo/index.ts';
import type { ModelId } from '../src/core/ids.ts';
import type { Tensor } from '../src/core/tensor/tensor.ts';

export interface BenchModel {
  readonly id: ModelId;
  readonly name: string;
  /** `graph.onnx` and `weights.bin`. */
  readonly folder: string;
  /** What it is run on: random, from a fixed seed. */
  readonly inputs: ReadonlyMap<string, Tensor>;
}

const SEED = 1;
const IMPORTED_NAME = 'model';

/** @throws UsageError for a name that is neither a model's nor that of an ONNX file. */
export function checkModelName(model: string): string {
  if (isZooName(model) || model.endsWith('.onnx')) return model;
  throw new UsageError(`--model "${model}" is no file that ends in .onnx and none of: ${Object.keys(ZOO).join(', ')}`);
}

/**
 * @param dataFolder an empty folder to import into.
 * @param shapes of inputs whose size the model leaves open, `name=1,3,224,224` each.
 * @throws MeshError of the model store.
 */
export async function prepareModel(
  model: string,
  dataFolder: string,
  shapes: readonly string[],
  signal: AbortSignal,
): Promise<BenchModel> {
  const store = await ModelStore.open(dataFolder);
  try {
    const { id, manifest } = isZooName(model)
      ? await store.importZoo(model, { signal })
      : await store.importOnnx(model, { name: IMPORTED_NAME }, { signal });
    const graph = decodeModelGraph(store.graphBytes(id), manifest);
    const { inputs } = await verifyInputs(graph, { shape: shapes, seed: SEED });
    return { id, name: manifest.name, folder: join(dataFolder, 'models', id), inputs };
  } finally {
    await store.close();
  }
}

/** Puts the model into another data folder on the same file system. The weights are complete, so that nobody writes to them. */
export async function linkModel({ id, folder }: BenchModel, dataFolder: string): Promise<void> {
  const target = join(dataFolder, 'models', id);
  await mkdir(target, { recursive: true });
  for (const file of [MANIFEST_FILE, GRAPH_FILE, WEIGHTS_FILE]) await link(join(folder, file), join(target, file));
  await copyFile(join(folder, BITMAP_FILE), join(target, BITMAP_FILE));
}
