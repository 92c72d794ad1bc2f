/**
 * A graph bound to the shapes of one request: every shape that can be known before running is known, what can be computed
 * beforehand is computed, and what nobody needs is gone. Planning and compiling work on this.
 */
import { MeshError } from '../errors.ts';
import { ruleOf } from '../ops/index.ts';
import { assertInputsSuffice, type BoundNode, type NodeFacts, type OpRule, type OutputFact } from '../ops/rule.ts';
import type { DataType } from '../tensor/data-type.ts';
import { elementCount, type Shape, type Tensor } from '../tensor/tensor.ts';
import { foldNode } from './fold.ts';
import type { Graph, Node, ValueInfo } from './graph.ts';
import { byVerdicts, withMinimalFiltering, type Arithmetic, type FilterChoice } from './minimal-filtering.ts';
import type { Step } from './step.ts';

export type { Arithmetic, Step };

export interface BoundGraph {
  readonly graph: Graph;
  /** `exact` as well where nothing is to be had by `fast`. */
  readonly arithmetic: Arithmetic;
  /** The convolutions computed by minimal filtering, by the names of their results in the model. */
  readonly filtered: readonly string[];
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly types: ReadonlyMap<string, DataType>;
  /** Small constants of the graph and the folded ones. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** In topological order, without what was folded and what no output needs. */
  readonly steps: readonly Step[];
  /** Index of the step that produces each value; graph inputs are absent. */
  readonly producers: ReadonlyMap<string, number>;
  /** Indices of the steps that read each value. */
  readonly readers: ReadonlyMap<string, readonly number[]>;
  /** First step whose result has no known shape: it and all after it run whole. `steps.length` where there is none. */
  readonly firstOpaque: number;
}

export interface InputSpec {
  readonly type: DataType;
  readonly shape: Shape;
}

/**
 * Checks that the given inputs are those the graph declares.
 * @throws MeshError INVALID_INPUT naming the input and what it should be.
 */
export function checkInputs(graph: Graph, given: ReadonlyMap<string, InputSpec>): void {
  const wanted = (dims: readonly (number | string)[]): string => `[${dims.join(', ')}]`;
  for (const input of graph.inputs) {
    const spec = given.get(input.name);
    const expected = `${input.type} of shape ${wanted(input.dims)}`;
    if (spec === undefined) {
      throw new MeshError('INVALID_INPUT', `input "${input.name}" is missing: send a tensor of ${expected}`);
    }
    const fits =
      spec.type === input.type &&
      spec.shape.length === input.dims.length &&
      input.dims.every((dim, axis) => typeof dim === 'string' || dim === spec.shape[axis]) &&
      isPossible(spec.shape);
    if (!fits) {
      throw new MeshError(
        'INVALID_INPUT',
        `input "${input.name}" is ${spec.type} of shape ${wanted(spec.shape)}, but the model takes ${expected}`,
      );
    }
  }
  for (const name of given.keys()) {
    if (!graph.inputs.some((input) => input.name === name)) {
      const names = graph.inputs.map((input) => input.name).join(', ');
      throw new MeshError('INVALID_INPUT', `the model has no input "${name}"; its inputs are: ${names}`);
    }
  }
}

/** Dimensions whose names all inputs agree on. */
function bindSymbols(graph: Graph, given: ReadonlyMap<string, InputSpec>): ReadonlyMap<string, number> {
  const extents = new Map<string, number>();
  for (const input of graph.inputs) {
    for (const [axis, dim] of input.dims.entries()) {
      const extent = given.get(input.name)!.shape[axis]!;
      if (typeof dim === 'string') extents.set(dim, (extents.get(dim) ?? extent) === extent ? extent : NaN);
    }
  }
  return extents;
}

/**
 * Takes shapes on trust that the file gives for results of operators which do not declare theirs. Where inputs have open
 * dimensions, a shape without any is not to be trusted: such files were exported for one size and opened later.
 */
function trustDeclared(graph: Graph, node: Node, known: Known): void {
  const isOpen = ({ dims }: ValueInfo): boolean => dims.some((dim) => typeof dim === 'string');
  for (const name of node.outputs) {
    const info = graph.declared?.get(name);
    if (info !== undefined && !isOpen(info) && graph.inputs.some(isOpen)) continue;
    const shape = info?.dims.map((dim) => (typeof dim === 'string' ? (known.symbols.get(dim) ?? NaN) : dim));
    if (info === undefined || shape === undefined || !isPossible(shape)) continue;
    known.shapes.set(name, shape);
    known.types.set(name, info.type);
  }
}

const opsetOf = (graph: Graph, node: Node): number =>
  graph.opsets[node.domain === 'ai.onnx' ? '' : node.domain] ?? graph.opsets[''] ?? 1;

/** The values that a node reads: inputs and what its sub-graphs capture. */
export const valuesRead = (node: Node): readonly string[] =>
  [...node.inputs, ...node.captures].filter((name) => name !== '');

/** Shapes, types and constants found so far while walking the graph. */
interface Known {
  readonly shapes: Map<string, Shape>;
  readonly types: Map<string, DataType>;
  readonly constants: Map<string, Tensor>;
  readonly symbols: ReadonlyMap<string, number>;
}

function factsOf(graph: Graph, node: Node, known: Known): NodeFacts | undefined {
  if (node.inputs.some((name) => name !== '' && !known.shapes.has(name))) return undefined;
  return {
    node,
    opset: opsetOf(graph, node),
    inputs: node.inputs.map((name) => known.shapes.get(name)),
    inputTypes: node.inputs.map((name) => known.types.get(name)),
    constants: node.inputs.map((name) => known.constants.get(name)),
  };
}

/** More axes than any operator knows what to do with. */
const MAX_RANK = 32;

/** Larger tensors fit nowhere; below, products of extents are exact. */
const MAX_ELEMENTS = 2 ** 40;

/** @throws MeshError INVALID_MODEL for a node that is not as its operator is defined, on which rules need not reckon. */
function understood<T>(node: Node, infer: () => T): T {
  try {
    return infer();
  } catch (cause) {
    if (cause instanceof MeshError && cause.code !== 'INTERNAL') throw cause;
    throw new MeshError(
      'INVALID_MODEL',
      `node "${node.name}" is no valid ${node.op}: its inputs or attributes are not those of the operator; export the model again`,
      { cause, details: { node: node.name } },
    );
  }
}

/** Infers one node's outputs into `known`; returns the step to run, or undefined where it was folded away. */
function bindNode(graph: Graph, node: Node, known: Known): Step | undefined {
  const facts = factsOf(graph, node, known);
  const folded = facts && understood(node, () => foldNode(facts));
  if (folded !== undefined) {
    known.constants.set(node.outputs[0]!, folded);
    known.shapes.set(node.outputs[0]!, folded.shape);
    known.types.set(node.outputs[0]!, folded.type);
    return undefined;
  }
  const rule = ruleOf(node);
  const outputs = facts && understood(node, () => rule?.outputs(facts));
  if (facts === undefined || rule === undefined || outputs === undefined || isEmptyResult(rule, outputs)) {
    trustDeclared(graph, node, known);
    return { node };
  }
  for (const [index, output] of outputs.entries()) {
    const name = node.outputs[index];
    if (name === undefined || name === '') continue;
    if (!isPossible(output.shape)) throw impossible(node, output.shape);
    known.shapes.set(name, output.shape);
    known.types.set(name, output.type);
  }
  const complete: Node = { ...node, attributes: { ...rule.defaults?.(facts), ...node.attributes } };
  const bound: BoundNode = { ...facts, node: complete, outputs: outputs.map((output) => output.shape) };
  const isCuttable = understood(node, () => {
    assertInputsSuffice(rule, bound);
    return rule.cuttable(bound);
  });
  return { node: complete, bound: { rule, facts: bound, isCuttable } };
}

/** A tensor without elements is for the kernel to deal with, but for windows that are larger than the map. */
const isEmptyResult = (rule: OpRule, outputs: readonly OutputFact[]): boolean =>
  rule.macs === undefined &&
  outputs.some(({ shape }) => shape.length <= MAX_RANK && shape.includes(0) && shape.every((extent) => extent >= 0));

const isPossible = (shape: Shape): boolean =>
  shape.length <= MAX_RANK &&
  shape.every((extent) => Number.isSafeInteger(extent) && extent > 0) &&
  elementCount(shape) <= MAX_ELEMENTS;

const impossible = (node: Node, shape: Shape): MeshError =>
  new MeshError(
    'INVALID_INPUT',
    `with these input shapes, node "${node.name}" (${node.op}) would have the shape [${shape.slice(0, MAX_RANK).join(', ')}]: send an input of the size that the model is made for`,
  );

function withoutUnused(steps: readonly Step[], graph: Graph): Step[] {
  const needed = new Set(graph.outputs.map((output) => output.name));
  const kept: Step[] = [];
  for (const step of steps.toReversed()) {
    if (!step.node.outputs.some((name) => needed.has(name))) continue;
    for (const name of valuesRead(step.node)) needed.add(name);
    kept.push(step);
  }
  return kept.reverse();
}

/**
 * @param choose which of the convolutions that can be are computed by minimal filtering in `fast`.
 * @throws MeshError INVALID_INPUT when the inputs do not fit the graph.
 */
export function bindGraph(
  graph: Graph,
  inputs: ReadonlyMap<string, InputSpec>,
  arithmetic: Arithmetic = 'exact',
  choose: FilterChoice = byVerdicts({}),
): BoundGraph {
  checkInputs(graph, inputs);
  const known: Known = {
    shapes: new Map(),
    types: new Map(),
    constants: new Map(graph.constants),
    symbols: bindSymbols(graph, inputs),
  };
  for (const [name, { shape, type }] of [...inputs, ...graph.constants, ...graph.weights]) {
    known.shapes.set(name, shape);
    known.types.set(name, type);
  }
  const bound = graph.nodes.map((node) => bindNode(graph, node, known)).filter((step) => step !== undefined);
  const used = withoutUnused(bound, graph);
  const { steps, filtered } =
    arithmetic === 'fast' ? withMinimalFiltering(used, graph, choose) : { steps: used, filtered: [] };
  for (const output of graph.outputs) if (!known.types.has(output.name)) known.types.set(output.name, output.type);

  const producers = new Map<string, number>();
  const readers = new Map<string, number[]>();
  for (const [index, { node }] of steps.entries()) {
    for (const name of node.outputs) if (name !== '') producers.set(name, index);
    for (const name of new Set(valuesRead(node))) {
      const list = readers.get(name);
      if (list === undefined) readers.set(name, [index]);
      else list.push(index);
    }
  }
  const opaque = steps.findIndex(({ node }) => node.outputs.some((name) => name !== '' && !known.shapes.has(name)));
  const { shapes, types, constants } = known;
  return {
    graph,
    arithmetic: filtered.length === 0 ? 'exact' : 'fast',
    filtered,
    shapes,
    types,
    constants,
    steps,
    producers,
    readers,
    firstOpaque: opaque === -1 ? steps.length : opaque,
  };
}

/** Whether a value is fixed by the model: a weight, a constant, or folded. */
export const isConstant = (bound: BoundGraph, name: string): boolean =>
  bound.constants.has(name) || bound.graph.weights.has(name);
