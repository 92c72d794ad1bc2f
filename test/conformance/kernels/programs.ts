/** Small programs and tensors from which the suites build their cases. */
import type { Attribute, Node } from '../../../src/core/graph/graph.ts';
import type { Program } from '../../../src/core/program/program.ts';
import { elementCount, float32Values, fromFloat32, type Shape, type Tensor } from '../../../src/core/tensor/tensor.ts';

export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const text = (value: string): Attribute => ({ kind: 'string', value });

export const node = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, Attribute>> = {},
): Node => ({ name: `${op}_${output}`, op, domain: '', inputs, outputs: [output], attributes, captures: [] });

/** A program that reads `x` of rank 4 and writes `y`, unless told otherwise. */
export const program = (key: string, nodes: readonly Node[], rest: Partial<Program> = {}): Program => ({
  key,
  irVersion: 8,
  opsets: { '': 13 },
  nodes,
  feeds: [{ name: 'x', type: 'float32', rank: 4 }],
  parameters: [],
  outputs: [{ name: 'y', type: 'float32' }],
  constants: new Map(),
  weights: new Map(),
  ...rest,
});

/** Numbers between -1 and 1 that depend on nothing but the seed. */
export function numbers(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export const randomTensor = (shape: Shape, seed: number): Tensor =>
  fromFloat32(shape, numbers(elementCount(shape), seed));

export const counting = (shape: Shape): Tensor =>
  fromFloat32(
    shape,
    Float32Array.from({ length: elementCount(shape) }, (_, index) => index),
  );

/** A copy to hand to a kernel, which may take its buffer. */
export const copyOf = (source: Tensor): Tensor => ({ ...source, bytes: Uint8Array.from(source.bytes) });

export const values = (source: Tensor | undefined): number[] => {
  if (source === undefined) throw new Error('there is no such output');
  return Array.from(float32Values(source));
};

export const never = (): AbortSignal => new AbortController().signal;
