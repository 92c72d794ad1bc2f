/** The mesh's answers against ONNX Runtime on the whole model. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeManifest } from '../models/manifest.ts';
import type { Payload } from '../models/tasks/payload.ts';
import { preprocess } from '../models/tasks/process.ts';
import type { Tensor } from '../src/core/tensor/tensor.ts';
import type { Board } from './boards.ts';
import { differenceOf, openWholeModel, type Difference } from './whole-model.ts';

export interface Comparison extends Difference {
  /** How far ONNX Runtime is from itself with its optimisations off, relative to the largest value. */
  readonly spread: number;
  /** Time of the whole model on one thread. */
  readonly elapsedMs: number;
}

/**
 * Runs the model that a board holds in full on the same input.
 * @param outputs what the mesh answered.
 */
export async function compareWithWhole(
  holder: Board,
  modelId: string,
  payload: Payload,
  outputs: ReadonlyMap<string, Tensor>,
): Promise<Comparison> {
  const folder = join(holder.dataFolder, 'models', modelId);
  const manifest = decodeManifest(new Uint8Array(await readFile(join(folder, 'manifest.json'))));
  const model = await openWholeModel(folder);
  const { inputs } = await preprocess(manifest.task, payload, model.graph.inputs);
  const whole = await model.run(inputs);
  const difference = differenceOf(whole.outputs, outputs);
  const spread =
    difference.maxAbs === 0 ? 0 : differenceOf(whole.outputs, (await model.run(inputs, false)).outputs).maxRel;
  return { ...difference, spread, elapsedMs: whole.elapsedMs };
}
