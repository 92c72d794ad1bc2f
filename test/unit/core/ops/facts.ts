/** Nodes and what is known of them, for tables. */
import type { Attribute, Node } from '../../../../src/core/graph/graph.ts';
import type { Interval } from '../../../../src/core/geometry/interval.ts';
import type { Region } from '../../../../src/core/geometry/region.ts';
import { ruleOf } from '../../../../src/core/ops/index.ts';
import type { BoundNode, LocalNode, NodeFacts } from '../../../../src/core/ops/rule.ts';
import { fromNumbers, type Shape, type Tensor } from '../../../../src/core/tensor/tensor.ts';

export const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
export const int = (value: number): Attribute => ({ kind: 'int', value });
export const text = (value: string): Attribute => ({ kind: 'string', value });

type Input = Shape | Tensor | undefined;
const isTensor = (input: Shape | Tensor): input is Tensor => 'type' in input;

export const list = (...values: number[]): Tensor => fromNumbers('int64', [values.length], values);
export const reals = (...values: number[]): Tensor => fromNumbers('float32', [values.length], values);

export function factsOf(
  op: string,
  inputs: readonly Input[],
  attributes: Readonly<Record<string, Attribute>> = {},
  opset = 13,
  outputs = 1,
): NodeFacts {
  const node: Node = {
    name: op,
    op,
    domain: '',
    inputs: inputs.map((input, index) => (input === undefined ? '' : `i${index}`)),
    outputs: Array.from({ length: outputs }, (_, index) => `o${index}`),
    attributes,
    captures: [],
  };
  return {
    node,
    opset,
    inputs: inputs.map((input) => input && (isTensor(input) ? input.shape : input)),
    inputTypes: inputs.map((input) => input && (isTensor(input) ? input.type : 'float32')),
    constants: inputs.map((input) => (input !== undefined && isTensor(input) ? input : undefined)),
  };
}

/** The shapes that the operator's rule infers. */
export const shapesOf = (facts: NodeFacts): Shape[] | undefined =>
  ruleOf(facts.node)!
    .outputs(facts)
    ?.map(({ shape }) => shape);

export const boundOf = (facts: NodeFacts): BoundNode => ({ ...facts, outputs: shapesOf(facts)! });

export const cuttableOf = (facts: NodeFacts): readonly boolean[] => ruleOf(facts.node)!.cuttable(boundOf(facts));

export const localOf = (facts: NodeFacts, ...bounds: readonly (readonly [number, number])[]): LocalNode =>
  ruleOf(facts.node)!.local(boundOf(facts), regionOf(...bounds));

export const regionOf = (...bounds: readonly (readonly [number, number])[]): Region =>
  bounds.map(([start, end]): Interval => ({ start, end }));

/** A region as `0:3 2:5`, an input left out as `-`, a parameter as its values. */
export function describeInputs(local: LocalNode): string[] {
  const short = (region: Region): string => region.map(({ start, end }) => `${start}:${end}`).join(' ');
  return local.inputs.map((input) => {
    if (input === null) return '-';
    if (input.kind === 'region') return short(input.region);
    return `<${[...new BigInt64Array(input.value.bytes.slice().buffer)].join(' ')}>`;
  });
}

export const describeRegion = (region: Region): string => region.map(({ start, end }) => `${start}:${end}`).join(' ');
