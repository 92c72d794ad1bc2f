/** The weights of a model in memory, and as the blob that a peer keeps on disk. */
import { open } from 'node:fs/promises';
import type { ModelPackage } from '../../models/package.ts';

/** Bytes by name. */
export async function weightsOf(model: ModelPackage): Promise<Map<string, Uint8Array>> {
  const weights = new Map<string, Uint8Array>();
  for (const name of model.graph.weights.keys()) {
    const pieces: Uint8Array[] = [];
    for await (const piece of model.weightPieces(name)) pieces.push(piece);
    weights.set(name, Buffer.concat(pieces));
  }
  return weights;
}

/** Writes each weight where the graph says that it is. */
export async function writeBlob(
  path: string,
  model: ModelPackage,
  weights: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  await using file = await open(path, 'w');
  for (const [name, bytes] of weights)
    await file.write(bytes, 0, bytes.byteLength, model.graph.weights.get(name)!.offset);
}
