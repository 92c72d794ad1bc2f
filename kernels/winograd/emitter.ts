/** Nodes and constants of a rewritten program, each value named after the node that it comes from. */
import type { Attribute, Node } from '../../src/core/graph/graph.ts';
import { fromInt64, type Tensor } from '../../src/core/tensor/tensor.ts';

export class Emitter {
  readonly nodes: Node[] = [];
  readonly constants: Map<string, Tensor>;

  constructor(constants: ReadonlyMap<string, Tensor>) {
    this.constants = new Map(constants);
  }

  constant(name: string, value: Tensor): string {
    this.constants.set(name, value);
    return name;
  }

  /** A list of numbers as a constant, the same one wherever the same list is wanted. */
  list(...values: readonly number[]): string {
    return this.constant(`winograd::${values.join(',')}`, fromInt64([values.length], values));
  }

  /** @returns the names of its outputs, the first of which is that of the node. */
  several(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    count: number,
  ): string[] {
    const outputs = count === 1 ? [name] : Array.from({ length: count }, (_, index) => `${name}::${index}`);
    this.nodes.push({ name, op, domain: '', inputs, outputs, attributes, captures: [] });
    return outputs;
  }

  one(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    return this.several(name, op, inputs, attributes, 1)[0]!;
  }

  /** Same elements, another shape: 0 keeps the extent at that place, -1 is what is left. A view. */
  reshape(name: string, input: string, ...shape: readonly number[]): string {
    return this.one(name, 'Reshape', [input, this.list(...shape)]);
  }
}
