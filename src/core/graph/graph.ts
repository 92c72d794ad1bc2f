/**
 * A network as plain data: what an ONNX file says, without the file format. Nodes stand in topological order; every
 * value has one name; weights are named, typed and shaped here, and their bytes live elsewhere (`WeightSource`).
 */
import type { DataType } from '../tensor/data-type.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';

export type Attribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  /** Anything the core has no use for (sub-graphs of control flow, types): its encoded ONNX `AttributeProto`. */
  | { readonly kind: 'opaque'; readonly value: Uint8Array };

export interface Node {
  /** Unique in the graph. */
  readonly name: string;
  readonly op: string;
  /** Operator domain; '' is ONNX's own. */
  readonly domain: string;
  /** Names of values; '' marks an optional input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Values of the enclosing graph that sub-graphs of this node read, beyond `inputs`. */
  readonly captures: readonly string[];
}

/** A named input or output. Symbolic dimensions are strings and bound at request time. */
export interface ValueInfo {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly (number | string)[];
}

/** A constant tensor too large to carry along: its bytes are at `offset` of the model's weight blob, row-major. */
export interface Weight {
  readonly type: DataType;
  readonly shape: Shape;
  /** Byte offset in the weight blob. */
  readonly offset: number;
}

export interface Graph {
  readonly name: string;
  readonly irVersion: number;
  /** Version of each operator set, by domain; '' is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly Node[];
  /** Small constants, with their bytes (initializers and Constant nodes). */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Large constants, without. No name stands in both. */
  readonly weights: ReadonlyMap<string, Weight>;
  /** What the file says of values in between: of use for operators that do not declare themselves. */
  readonly declared?: ReadonlyMap<string, ValueInfo>;
}

export const intAttribute = (node: Node, name: string, fallback: number): number => {
  const attribute = node.attributes[name];
  return attribute?.kind === 'int' ? attribute.value : fallback;
};

export const floatAttribute = (node: Node, name: string, fallback: number): number => {
  const attribute = node.attributes[name];
  return attribute?.kind === 'float' ? attribute.value : fallback;
};

export const stringAttribute = (node: Node, name: string, fallback: string): string => {
  const attribute = node.attributes[name];
  return attribute?.kind === 'string' ? attribute.value : fallback;
};

export const intsAttribute = (node: Node, name: string): readonly number[] | undefined => {
  const attribute = node.attributes[name];
  return attribute?.kind === 'ints' ? attribute.value : undefined;
};
