/** A model whose weights fill three chunks and a bit, and folders to keep it in. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import { graphBuilder } from '../../../../models/zoo/graph-builder.ts';
import { seededPackage } from '../../../../models/zoo/seeded.ts';
import { ModelStore, type StoredModel } from '../../../../src/mesh/model-store/model-store.ts';

/** The model as one ONNX file; every seed gives another model. */
export async function smallModel(seed = 1): Promise<Uint8Array> {
  const net = graphBuilder('small', { name: 'values', dims: [100] });
  net.dense('wide', 1300);
  net.relu('relu');
  net.dense('narrow', 500);
  const model = seededPackage(net.build(), seed);
  const weights = new Map<string, Uint8Array>();
  for (const name of model.graph.weights.keys()) {
    const pieces: Uint8Array[] = [];
    for await (const piece of model.weightPieces(name)) pieces.push(piece);
    weights.set(name, Buffer.concat(pieces));
  }
  return encodeGraph(model.graph, (name) => weights.get(name)!);
}

const folders: string[] = [];
const stores = new Set<ModelStore>();

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'model-store-'));
  folders.push(folder);
  return folder;
}

export async function openStore(folder?: string): Promise<ModelStore> {
  const store = await ModelStore.open(folder ?? (await temporaryFolder()));
  stores.add(store);
  return store;
}

/** Stores the small model whole. */
export async function importSmall(store: ModelStore, seed = 1): Promise<StoredModel> {
  return store.importOnnx(await smallModel(seed), { name: `small-${seed}` });
}

/** Tells a second store of a model of the first, without its weights. */
export const announce = (from: ModelStore, to: ModelStore, { id }: StoredModel): Promise<StoredModel> =>
  to.addManifest(from.manifestBytes(id), from.graphBytes(id));

export async function cleanUp(): Promise<void> {
  await Promise.all([...stores].map((store) => store.close().catch(() => undefined)));
  stores.clear();
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
}
