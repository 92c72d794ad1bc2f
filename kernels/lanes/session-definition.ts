/**
 * What a worker needs to open a session for a program: the model's bytes, and where its weights are.
 *
 * - Slices that are one run of bytes in the weight file are external data at their place in that file, which a runtime with
 *   access to files maps into memory. Offsets need no alignment. Nothing is read that is not used, and what is read can be
 *   dropped again.
 * - Where any slice is not, or the runtime has no access to files, all are read by the worker and handed over in memory:
 *   several times cheaper than inside the model's bytes.
 * - Convolutions by minimal filtering are written out in other operators. The worker transforms their weights.
 * - Matrix products with large weights are not pre-packed. Packing copies them out of the mapped file: 25088 x 4096 in one
 *   thread took 2.2 s to open, 850 MB at its peak, 390 MB for good and 21 ms a run; without, 58 ms, no memory of its own
 *   and 14 ms a run. The rule looks at whole weights, so that all cuts of a network are computed alike: row shards of such
 *   a layer are bit-identical with the whole when they start at multiples of four rows (packed ones wherever they start).
 */
import { basename, dirname } from 'node:path';
import type { Graph } from '../../src/core/graph/graph.ts';
import type { Program, WeightSlice } from '../../src/core/program/program.ts';
import { byteLength } from '../../src/core/tensor/tensor.ts';
import { encodeProgram, type Placement } from '../../models/onnx/encode.ts';
import type { WeightFile } from '../kernel.ts';
import { rewriteProgram, type TransformedWeight } from '../winograd/rewrite.ts';
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
  /** Weights that the worker transforms and puts inside the model. */
  readonly transformed: readonly TransformedWeight[];
  readonly isPrepacked: boolean;
}

/** Weights of matrix products from this size on are bound by memory when one row is multiplied: packing gains nothing. */
export const MAX_PREPACKED_WEIGHT_BYTES = 8 << 20;

/** Whether a runtime maps weight files into memory, or is handed what the worker has read. */
export type WeightAccess = 'mapped' | 'held';

export function defineSession(
  session: string,
  given: Program,
  weights: WeightFile | null,
  access: WeightAccess,
): SessionDefinition {
  const { program, transformed } = rewriteProgram(given);
  const held: HeldSlice[] = [];
  // The runtime takes external data either all from files or all from memory.
  const isMapped = access === 'mapped' && weights !== null && [...program.weights.values()].every(isContiguous);
  const large = largeFactors(program);
  // Products of transformed weights are packed; beside them large ones are left alone by passing for inputs.
  const isRewritten = transformed.length > 0;
  const place = (_name: string, slice: WeightSlice): Placement => {
    if (isMapped) {
      const location = basename(weights.path);
      return { kind: 'external', location, offset: sliceOffset(slice), length: sliceBytes(slice) };
    }
    const location = `held/${held.length}`;
    held.push({ location, slice });
    return { kind: 'external', location, offset: 0, length: sliceBytes(slice) };
  };
  const model = encodeProgram(program, place, (name) => isRewritten && large.has(name));
  return {
    session,
    model,
    weightPath: weights?.path ?? null,
    weightFolder: weights === null ? null : dirname(weights.path),
    held,
    transformed,
    isPrepacked: isRewritten || large.size === 0,
  };
}

type Products = Pick<Graph, 'nodes' | 'weights'>;

/** Whether a program or a whole graph has a matrix product whose weight is too large to be packed. */
export const hasLargeProduct = (graph: Products): boolean => largeFactors(graph).size > 0;

function largeFactors({ nodes, weights }: Products): ReadonlySet<string> {
  const factors = nodes.flatMap(({ op, inputs }) => (op === 'Gemm' || op === 'MatMul' ? inputs.slice(1, 2) : []));
  const isLarge = (name: string): boolean => {
    const weight = weights.get(name);
    return weight !== undefined && byteLength(weight.type, weight.shape) >= MAX_PREPACKED_WEIGHT_BYTES;
  };
  return new Set(factors.filter(isLarge));
}
