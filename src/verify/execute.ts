/**
 * A plan carried out in this process, part by part: the same tiles, transfers and regions as in the mesh, without a network.
 * What it returns is what the mesh would answer.
 */
import type { Kernel, WeightFile } from '../../kernels/kernel.ts';
import { MeshError } from '../core/errors.ts';
import { copyBox, type Patch } from '../core/geometry/copy.ts';
import { describe, intersect, isEmpty, regionShape, wholeRegion, type Region } from '../core/geometry/region.ts';
import { isConstant, type BoundGraph } from '../core/graph/bind.ts';
import { deriveDataflow, type TileTask } from '../core/plan/dataflow.ts';
import type { Plan } from '../core/plan/plan.ts';
import { checkPlan } from '../core/plan/validate.ts';
import { ELEMENT_BYTES } from '../core/tensor/data-type.ts';
import { byteLength, type Tensor } from '../core/tensor/tensor.ts';

export interface ExecuteRequest {
  readonly bound: BoundGraph;
  readonly plan: Plan;
  readonly kernel: Kernel;
  readonly weights: WeightFile | null;
  /** Every input of the graph, whole. */
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly signal: AbortSignal;
}

/** A part of a value that some tile computed, or a whole value of a size not known beforehand (no region). */
interface Piece {
  readonly region: Region | null;
  readonly tensor: Tensor;
}

/**
 * @returns every output of the graph that is computed (constant ones are in `bound.constants`).
 * @throws MeshError INVALID_MESSAGE when the plan does not fit the graph, INTERNAL when a tile does not give what was planned,
 *   and what the kernel throws.
 */
export async function executePlan(request: ExecuteRequest): Promise<Map<string, Tensor>> {
  const { bound, plan, inputs } = request;
  checkPlan(bound, plan);
  const { tasks } = deriveDataflow(bound, plan);
  const held = new Map<string, Piece[]>();
  for (const [name, tensor] of inputs) held.set(name, [{ region: wholeRegion(tensor.shape), tensor }]);
  try {
    for (const task of tasks) {
      for (const [name, piece] of await runTask(request, task, held)) {
        const pieces = held.get(name);
        if (pieces === undefined) held.set(name, [piece]);
        else pieces.push(piece);
      }
    }
  } finally {
    const keys = new Set(tasks.map(({ tile }) => tile.program.key));
    await Promise.all([...keys].map((key) => request.kernel.release(key)));
  }
  const outputs = bound.graph.outputs.filter(({ name }) => !isConstant(bound, name));
  return new Map(outputs.map(({ name }) => [name, gather(bound, name, wholeOf(bound, name), held)]));
}

const wholeOf = (bound: BoundGraph, name: string): Region | null => {
  const shape = bound.shapes.get(name);
  return shape === undefined ? null : wholeRegion(shape);
};

async function runTask(
  { bound, kernel, weights, signal }: ExecuteRequest,
  { tile, block, part }: TileTask,
  held: ReadonlyMap<string, readonly Piece[]>,
): Promise<Map<string, Piece>> {
  const { program, feeds, parameters, outputs } = tile;
  const inputs = new Map<string, Tensor>();
  for (const [name, region] of feeds) inputs.set(name, gather(bound, name, region, held));
  // The kernel may take the buffers of what it is given.
  for (const [name, value] of parameters) inputs.set(name, { ...value, bytes: value.bytes.slice() });
  await kernel.prepare(program, weights, signal);
  const results = (await kernel.run(program.key, inputs, signal)).outputs;
  const pieces = new Map<string, Piece>();
  for (const [name, region] of outputs) {
    const tensor = results.get(name)!;
    if (region !== null && !isOfShape(tensor, regionShape(region))) {
      throw new MeshError(
        'INTERNAL',
        `part ${part} of block ${block} should compute ${describe(region)} of "${name}", but computed [${tensor.shape.join(', ')}]`,
      );
    }
    pieces.set(name, { region, tensor });
  }
  return pieces;
}

const isOfShape = (tensor: Tensor, shape: readonly number[]): boolean =>
  tensor.shape.length === shape.length && shape.every((extent, axis) => extent === tensor.shape[axis]);

/** A copy of `region` of a value, stitched from all the pieces of it that there are. */
function gather(
  bound: BoundGraph,
  name: string,
  region: Region | null,
  held: ReadonlyMap<string, readonly Piece[]>,
): Tensor {
  const pieces = held.get(name) ?? [];
  const [first] = pieces;
  if (first === undefined) throw new MeshError('INTERNAL', `nothing computed "${name}"`);
  if (region === null || first.region === null) return { ...first.tensor, bytes: first.tensor.bytes.slice() };
  const type = bound.types.get(name) ?? first.tensor.type;
  const shape = regionShape(region);
  const target: Patch = { region, bytes: new Uint8Array(byteLength(type, shape)) };
  for (const piece of pieces) {
    const own = piece.region ?? region;
    const box = intersect(own, region);
    if (!isEmpty(box)) copyBox({ region: own, bytes: piece.tensor.bytes }, target, box, ELEMENT_BYTES[type]);
  }
  return { type, shape, bytes: target.bytes };
}
