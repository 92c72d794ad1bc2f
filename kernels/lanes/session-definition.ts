/**
 * What a worker needs to open a session for a program: the model's bytes, and where its weights are.
 *
 * - Slices that are one run of bytes in the weight file are external data at their place in that file, which a runtime with
 *   access to files maps into memory. Offsets need no alignment. Nothing is read that is not used, and what is read can be
 *   dropped again.
 * - Where any slice is not, or the runtime has no access to files, all are read by the worker and handed over in memory:
 *   several times cheaper than inside the model's bytes.
 * - Matrix products with large weights are not pre-packed. Packing copies them out of the mapped file: 25088 x 4096 in one
 *   thread took 2.2 s to open, 850 MB at its peak, 390 MB for good and 21 ms a run; without, 58 ms, no memory of its own
 *   and 14 ms a run. The rule looks at whole weights, so that all cuts of a network are computed alike: row shards of such
 *   a layer are bit-identical with the whole when they start at multiples of four rows (packed ones wherever they start).
 */
import { basename, dirname } from 'node:path';
import type { Graph } from '../../src/core/graph/graph.ts';
import type { Program, WeightSlice } from '../../src/core/program/program.ts';
import { byteLength } from '../../src/core/tensor/tensor.ts';
import { encodeProgram } from '../../models/onnx/encode.ts';
import type { WeightFile } from '../kernel.ts';
import { isContiguous, sliceBytes, sliceOffset } from '../weight-slice.ts';

/** A slice that is not one run of bytes, and the name under which the model refers to its elements. */
export interface HeldSlice {
  readonly location: string;
  readonly slice: WeightSlice;
}

export interface SessionDefinition {
  /** Name of the session in its lane; never used twice, so that closing one cannot hit its successor. */
  readonly session: string;
  readonly model: Uint8Array<ArrayBuffer>;
  readonly weightPath: string | null;
  /** Folder in which the runtime looks for external data. */
  readonly weightFolder: string | null;
  readonly held: readonly HeldSlice[];
  readonly isPrepacked: boolean;
}

/** Weights of matrix products from this size on are bound by memory when one row is multiplied: packing gains nothing. */
export const MAX_PREPACKED_WEIGHT_BYTES = 8 << 20;

/** Whether a runtime maps weight files into memory, or is handed what the worker has read. */
export type WeightAccess = 'mapped' | 'held';

export function defineSession(
  session: string,
  program: Program,
  weights: WeightFile | null,
  access: WeightAccess,
): SessionDefinition {
  const held: HeldSlice[] = [];
  // The runtime takes external data either all from files or all from memory.
  const isMapped = access === 'mapped' && weights !== null && [...program.weights.values()].every(isContiguous);
  const model = encodeProgram(program, (_name, slice) => {
    if (isMapped) {
      const location = basename(weights.path);
      return { kind: 'external', location, offset: sliceOffset(slice), length: sliceBytes(slice) };
    }
    const location = `held/${held.length}`;
    held.push({ location, slice });
    return { kind: 'external', location, offset: 0, length: sliceBytes(slice) };
  });
  return {
    session,
    model,
    weightPath: weights?.path ?? null,
    weightFolder: weights === null ? null : dirname(weights.path),
    held,
    isPrepacked: !hasLargeProduct(program),
  };
}

/** Whether a program or a whole graph has a matrix product whose weight is too large to be packed. */
export function hasLargeProduct({ nodes, weights }: Pick<Graph, 'nodes' | 'weights'>): boolean {
  return nodes.some((node) => {
    if (node.op !== 'Gemm' && node.op !== 'MatMul') return false;
    const weight = weights.get(node.inputs[1] ?? '');
    return weight !== undefined && byteLength(weight.type, weight.shape) >= MAX_PREPACKED_WEIGHT_BYTES;
  });
}
