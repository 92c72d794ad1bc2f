/**
 * The contract of an operator rule. One question carries everything else: *given the output region wanted, which region of
 * each input is needed, and how does the operator look when it computes just that?* Partitioning, halo exchange, weight
 * distribution, cost and recovery follow from the answer. An operator without a rule is never cut.
 */
import { MeshError } from '../errors.ts';
import { contains, describe, wholeRegion, type Region } from '../geometry/region.ts';
import type { Attribute, Node } from '../graph/graph.ts';
import type { DataType } from '../tensor/data-type.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';

/** What is known of one node before anything runs. */
export interface NodeFacts {
  readonly node: Node;
  /** Version of the operator set that the node belongs to. */
  readonly opset: number;
  /** Shape of each input; undefined where an optional input is left out. */
  readonly inputs: readonly (Shape | undefined)[];
  readonly inputTypes: readonly (DataType | undefined)[];
  /** Value of each input that is known before the run (small constants). */
  readonly constants: readonly (Tensor | undefined)[];
}

/** The same, with the outputs' shapes inferred. */
export interface BoundNode extends NodeFacts {
  readonly outputs: readonly Shape[];
}

export interface OutputFact {
  readonly shape: Shape;
  readonly type: DataType;
}

/** Where an input of the local operator comes from. */
export type LocalInput =
  /** That region of the node's own input at this position. */
  | { readonly kind: 'region'; readonly region: Region }
  /** A small tensor that depends on the tile, such as the target shape of a Reshape. */
  | { readonly kind: 'parameter'; readonly value: Tensor };

/** The operator as it must be run to compute a region of its output. */
export interface LocalNode {
  /** The region that it computes: the wanted one, or one around it where the operator cannot do with less. */
  readonly region: Region;
  /** What it writes, where that is more than `region`: what lies around is not valid, and is cut off. */
  readonly written?: Region;
  /** One for each of the node's inputs; null: this input is not needed and is left out. */
  readonly inputs: readonly (LocalInput | null)[];
  /** Attributes that replace the node's own. Undefined removes one. */
  readonly attributes?: Readonly<Record<string, Attribute | undefined>>;
}

export interface OpRule {
  /** Shape and type of each output, or undefined where they are not known before the run. */
  readonly outputs: (facts: NodeFacts) => readonly OutputFact[] | undefined;
  /** Attributes to be written out where the model leaves them to their defaults. */
  readonly defaults?: (facts: NodeFacts) => Readonly<Record<string, Attribute>>;
  /** For each axis of the first output: whether any interval of it can be computed alone, exactly. */
  readonly cuttable: (node: BoundNode) => readonly boolean[];
  /**
   * The local operator for a region of the first output that is full along every axis that is not cuttable. Further outputs
   * are computed for the same intervals on cuttable axes and in full on the others.
   */
  readonly local: (node: BoundNode, region: Region) => LocalNode;
  /** Multiply-accumulates for that region; 0 where the work is proportional to the elements moved. */
  readonly macs?: (node: BoundNode, region: Region) => number;
  /** Times its size that a weight takes once a kernel has made it ready, and that is read at every run; 1 where absent. */
  readonly weightGrowth?: number;
  /** Reads one element for each it writes: never worth an exchange of its own. */
  readonly isPointwise?: boolean;
}

/** An input just as it is, if there is one. */
export const wholeInput = (shape: Shape | undefined): LocalInput | null =>
  shape === undefined ? null : regionInput(wholeRegion(shape));

export const regionInput = (region: Region): LocalInput => ({ kind: 'region', region });
export const parameterInput = (value: Tensor): LocalInput => ({ kind: 'parameter', value });

export const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
export const int = (value: number): Attribute => ({ kind: 'int', value });

/** Shapes that do not go together, by the name of the operator that they meet at. */
export const misfit = ({ node }: NodeFacts, what: string): MeshError =>
  new MeshError(
    'INVALID_INPUT',
    `with these input shapes, node "${node.name}" (${node.op}) cannot run: ${what}; send an input of the size that the model is made for, or export the model again`,
    { details: { node: node.name } },
  );

/** @throws MeshError INVALID_INPUT where an operator needs more of one of its inputs than there is. */
export function assertInputsSuffice(rule: OpRule, node: BoundNode): void {
  const { inputs } = rule.local(node, wholeRegion(node.outputs[0]!));
  for (const [index, input] of inputs.entries()) {
    const shape = node.inputs[index];
    if (input?.kind !== 'region' || shape === undefined) continue;
    if (input.region.length === shape.length && contains(wholeRegion(shape), input.region)) continue;
    throw misfit(
      node,
      `it needs ${describe(input.region)} of "${node.node.inputs[index]!}", which is [${shape.join(', ')}]`,
    );
  }
}

/** An axis counted from the end when negative, as a plain index. */
export const normalizeAxis = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
