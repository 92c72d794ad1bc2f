/** Puts transformed weights inside a model's bytes, as the worker of a lane does before it opens a session. */
import { encodeInitializers } from '../../models/onnx/encode.ts';
import type { SessionDefinition } from '../lanes/session-definition.ts';
import { readSlices } from '../weight-slice.ts';
import { biasName, frequencyNames, type Normalization, type TransformedWeight, type WeightSource } from './rewrite.ts';
import { joinNormalization, transformWeights } from './weights.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';

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

function encodeTransformed(
  { name, source, normalization }: TransformedWeight,
  weightPath: string | null,
): Uint8Array<ArrayBuffer> {
  const read = (from: WeightSource): Tensor => ('bytes' in from ? from : readSlices(weightPath!, [from])[0]!);
  const given = { weights: read(source), bias: undefined };
  const { weights, bias } =
    normalization === undefined ? given : joinNormalization(given.weights, readAll(read, normalization));
  const names = frequencyNames(name);
  const tensors = transformWeights(weights).map((matrix, index) => [names[index]!, matrix] as const);
  return encodeInitializers(new Map([...tensors, ...(bias === undefined ? [] : [[biasName(name), bias] as const])]));
}

const readAll = (
  read: (source: WeightSource) => Tensor,
  { bias, scale, offset, mean, variance, epsilon }: Normalization<WeightSource>,
): Normalization<Tensor> => ({
  bias: bias && read(bias),
  scale: read(scale),
  offset: read(offset),
  mean: read(mean),
  variance: read(variance),
  epsilon,
});
