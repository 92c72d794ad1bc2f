/**
 * A model whose external data is larger than any protobuf, and than what its runner may hold in memory: a file with a hole
 * in which a table of 700,000 rows takes 2.9 GB, and the weights of a convolution stand behind it. On disk it takes a few
 * kilobytes.
 */
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeGraph } from '../../../models/onnx/encode.ts';
import type { Graph, Node, Weight } from '../../../src/core/graph/graph.ts';
import { byteLength, fromFloat32, fromInt64, type Tensor } from '../../../src/core/tensor/tensor.ts';

const ROWS = 700_000;
export const COLUMNS = 1_024;
const TABLE = { type: 'float32', shape: [ROWS, COLUMNS], offset: 0 } as const;
const FILTER = { type: 'float32', shape: [8, 3, 16, 16], offset: byteLength('float32', TABLE.shape) } as const;

/** Rows that are not zero: the first, one beyond 2 GiB, the last. */
export const FILLED = [0, 600_000, ROWS - 1] as const;
export const EXTERNAL_BYTES = FILTER.offset + byteLength('float32', FILTER.shape);

const node = (op: string, inputs: readonly string[], output: string, attributes: Node['attributes'] = {}): Node => ({
  name: output,
  op,
  domain: '',
  inputs,
  outputs: [output],
  attributes,
  captures: [],
});

const GRAPH: Graph = {
  name: 'large',
  irVersion: 8,
  opsets: { '': 13 },
  inputs: [
    { name: 'image', type: 'float32', dims: [1, 3, 64, 64] },
    { name: 'ids', type: 'int64', dims: [1, 'length'] },
  ],
  outputs: [
    { name: 'map', type: 'float32', dims: [1, 8, 49, 49] },
    { name: 'rows', type: 'float32', dims: [1, 'length', COLUMNS] },
  ],
  nodes: [node('Conv', ['image', 'filter'], 'map'), node('Gather', ['table', 'ids'], 'rows')],
  constants: new Map(),
  weights: new Map<string, Weight>([
    ['table', TABLE],
    ['filter', FILTER],
  ]),
};

/** Of all those bytes, just the last few. */
const SLICE: Graph = {
  ...GRAPH,
  inputs: GRAPH.inputs.slice(0, 1),
  outputs: GRAPH.outputs.slice(0, 1),
  nodes: GRAPH.nodes.slice(0, 1),
  weights: new Map<string, Weight>([['filter', FILTER]]),
};

const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, index) => Math.sin(index * 0.37 + seed));

export const rowOf = (row: number): Float32Array => numbers(COLUMNS, row);

export const inputs = (): ReadonlyMap<string, Tensor> =>
  new Map([
    ['image', fromFloat32([1, 3, 64, 64], numbers(3 * 64 * 64, 1))],
    ['ids', fromInt64([1, FILLED.length], FILLED)],
  ]);

/** Of the two ONNX files beside `weights.data`: one that needs all of it, and one that needs a small part at its end. */
export interface SparseModel {
  readonly large: string;
  readonly slice: string;
}

export async function writeSparseModel(folder: string): Promise<SparseModel> {
  await using file = await open(join(folder, 'weights.data'), 'w');
  await file.truncate(EXTERNAL_BYTES);
  const write = async (values: Float32Array, position: number): Promise<void> => {
    await file.write(new Uint8Array(values.buffer), 0, values.byteLength, position);
  };
  for (const row of FILLED) await write(rowOf(row), row * COLUMNS * 4);
  await write(numbers(8 * 3 * 16 * 16, 2), FILTER.offset);
  const paths = { large: join(folder, 'large.onnx'), slice: join(folder, 'slice.onnx') };
  await writeFile(paths.large, encodeGraph(GRAPH, 'weights.data'));
  await writeFile(paths.slice, encodeGraph(SLICE, 'weights.data'));
  return paths;
}
