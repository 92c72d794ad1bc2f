/** Gemm, MatMul and their quantised forms: cut along rows and columns of the product (a fully connected layer's batch and features). */
import { whole, type Interval } from '../geometry/interval.ts';
import { volume, type Region } from '../geometry/region.ts';
import { intAttribute } from '../graph/graph.ts';
import type { DataType } from '../tensor/data-type.ts';
import type { Shape } from '../tensor/tensor.ts';
import { broadcastRegion, broadcastShapes } from './elementwise.ts';
import { regionInput, wholeInput, type BoundNode, type NodeFacts, type OpRule } from './rule.ts';

const pair = (isTransposed: boolean, outer: Interval, inner: Interval): Region =>
  isTransposed ? [inner, outer] : [outer, inner];

export const gemm: OpRule = {
  outputs: (facts) => {
    const [a, b] = facts.inputs;
    const rows = a![intAttribute(facts.node, 'transA', 0)]!;
    const columns = b![1 - intAttribute(facts.node, 'transB', 0)]!;
    return [{ shape: [rows, columns], type: facts.inputTypes[0]! }];
  },
  cuttable: () => [true, true],
  local: (node, region) => {
    const isTransposedA = intAttribute(node.node, 'transA', 0) === 1;
    const isTransposedB = intAttribute(node.node, 'transB', 0) === 1;
    const depth = whole(node.inputs[0]![isTransposedA ? 0 : 1]!);
    const bias = node.inputs[2];
    return {
      region,
      inputs: [
        regionInput(pair(isTransposedA, region[0]!, depth)),
        regionInput(pair(isTransposedB, depth, region[1]!)),
        ...(bias === undefined ? [] : [regionInput(broadcastRegion(region, node.outputs[0]!, bias))]),
      ],
    };
  },
  macs: (node, region) => volume(region) * node.inputs[0]![intAttribute(node.node, 'transA', 0) === 1 ? 0 : 1]!,
};

/** Where the inputs of a product stand, and what it is made of. */
interface Form {
  readonly a: number;
  readonly b: number;
  /** Inputs that hold one value for each row of `a`, or one for all. */
  readonly perRow: readonly number[];
  /** Inputs that hold one value for each column of `b`, or one for all. */
  readonly perColumn: readonly number[];
  readonly type: (facts: NodeFacts) => DataType | undefined;
}

/** Operands as stacks of matrices: a vector is a row on the left, a column on the right, and its axis is not kept. */
function stacked(facts: NodeFacts, { a, b }: Form): { readonly a: Shape; readonly b: Shape } {
  const left = facts.inputs[a]!;
  const right = facts.inputs[b]!;
  return { a: left.length === 1 ? [1, ...left] : left, b: right.length === 1 ? [...right, 1] : right };
}

const isVector = (facts: NodeFacts, position: number): boolean => facts.inputs[position]!.length === 1;

/** The region of the stacked product: without vectors, the region itself. */
function stackedRegion(node: BoundNode, region: Region, form: Form): Region {
  const rows = isVector(node, form.a) ? [whole(1)] : [];
  const columns = isVector(node, form.b) ? [whole(1)] : [];
  const kept = 2 - rows.length - columns.length;
  const split = region.length - kept;
  const last = region.slice(split);
  return [...region.slice(0, split), ...rows, ...last, ...columns];
}

const product = (form: Form): OpRule => ({
  outputs: (facts) => {
    const type = form.type(facts);
    if (facts.inputs[form.a]!.length === 0 || facts.inputs[form.b]!.length === 0) return undefined;
    const { a, b } = stacked(facts, form);
    const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
    if (batch === undefined || type === undefined || a.at(-1) !== b.at(-2)) return undefined;
    const rows = isVector(facts, form.a) ? [] : [a.at(-2)!];
    const columns = isVector(facts, form.b) ? [] : [b.at(-1)!];
    return [{ shape: [...batch, ...rows, ...columns], type }];
  },
  cuttable: (node) => node.outputs[0]!.map(() => true),
  local: (node, region) => {
    const { a, b } = stacked(node, form);
    const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)])!;
    const full = stackedRegion(node, region, form);
    const row = full.at(-2)!;
    const column = full.at(-1)!;
    const depth = whole(a.at(-1)!);
    const stack = (operand: Shape): Region => broadcastRegion(full.slice(0, -2), batch, operand.slice(0, -2));
    return {
      region,
      inputs: node.inputs.map((shape, position) => {
        if (position === form.a) {
          return regionInput(isVector(node, position) ? [depth] : [...stack(a), row, depth]);
        }
        if (position === form.b) {
          return regionInput(isVector(node, position) ? [depth] : [...stack(b), depth, column]);
        }
        if (shape?.length === 1 && shape[0] !== 1) {
          if (form.perRow.includes(position)) return regionInput([row]);
          if (form.perColumn.includes(position)) return regionInput([column]);
        }
        return wholeInput(shape);
      }),
    };
  },
  macs: (node, region) => volume(region) * node.inputs[form.a]!.at(-1)!,
});

export const matMul = product({ a: 0, b: 1, perRow: [], perColumn: [], type: (facts) => facts.inputTypes[0] });
export const matMulInteger = product({ a: 0, b: 1, perRow: [2], perColumn: [3], type: () => 'int32' });
export const qLinearMatMul = product({
  a: 0,
  b: 3,
  perRow: [1, 2, 6, 7],
  perColumn: [4, 5],
  type: (facts) => facts.inputTypes[7],
});
