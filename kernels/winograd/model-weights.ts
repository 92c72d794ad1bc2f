/** Puts transformed weights inside a model's bytes, as the worker of a lane does before it opens a session. */
import { encodeInitializers } from '../../models/onnx/encode.ts';
import type { SessionDefinition } from '../lanes/session-definition.ts';
import { readSlices } from '../weight-slice.ts';
import { frequencyNames, type TransformedWeight } from './rewrite.ts';
import { transformWeights } from './weights.ts';

/**
 * The model with all its initializers. One weight is read and transformed at a time.
 * @throws MeshError STORAGE_FAILED when the weight file lacks one, INVALID_MODEL.
 */
export function withTransformedWeights({
  model,
  transformed,
  weightPath,
}: Pick<SessionDefinition, 'model' | 'transformed' | 'weightPath'>): Uint8Array<ArrayBuffer> {
  if (transformed.length === 0) return model;
  const pieces = [model, ...transformed.map((weight) => encodeTransformed(weight, weightPath))];
  const joined = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let filled = 0;
  for (const piece of pieces) {
    joined.set(piece, filled);
    filled += piece.byteLength;
  }
  return joined;
}

function encodeTransformed({ name, source }: TransformedWeight, weightPath: string | null): Uint8Array<ArrayBuffer> {
  const weights = 'bytes' in source ? source : readSlices(weightPath!, [source])[0]!;
  const names = frequencyNames(name);
  return encodeInitializers(new Map(transformWeights(weights).map((matrix, index) => [names[index]!, matrix])));
}
