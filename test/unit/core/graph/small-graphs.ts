/** Small graphs written down as lists of nodes. */
import type { Attribute, Graph, Node, ValueInfo } from '../../../../src/core/graph/graph.ts';
import type { InputSpec } from '../../../../src/core/graph/bind.ts';
import type { Shape, Tensor } from '../../../../src/core/tensor/tensor.ts';

export const node = (
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
  rest: Partial<Node> = {},
): Node => ({ name: `${op}_${outputs[0]!}`, op, domain: '', inputs, outputs, attributes, captures: [], ...rest });

export const value = (name: string, ...dims: (number | string)[]): ValueInfo => ({ name, type: 'float32', dims });

export const graphOf = (
  nodes: readonly Node[],
  inputs: readonly ValueInfo[],
  outputs: readonly string[],
  rest: Partial<Graph> = {},
): Graph => ({
  name: 'small',
  irVersion: 8,
  opsets: { '': 13 },
  inputs,
  outputs: outputs.map((name) => value(name, '...')),
  nodes,
  constants: new Map<string, Tensor>(),
  weights: new Map(),
  ...rest,
});

export const specs = (shapes: Readonly<Record<string, Shape>>): ReadonlyMap<string, InputSpec> =>
  new Map(Object.entries(shapes).map(([name, shape]) => [name, { type: 'float32', shape }]));
