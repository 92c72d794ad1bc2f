/**
 * The forward walk: from the demand on a block to the program that a kernel runs. Operators that compute a part of their
 * output carry the padding left over as attributes; values held in more than one reader needs are cropped with Slice, whose
 * bounds are parameters, so that tiles of one kind share one program.
 */
import { extract } from '../geometry/copy.ts';
import { describe, isWhole, regionShape, wholeRegion, type Region } from '../geometry/region.ts';
import type { ModelId } from '../ids.ts';
import type { BoundGraph } from '../graph/bind.ts';
import type { Attribute, Node } from '../graph/graph.ts';
import { ints, type LocalInput } from '../ops/rule.ts';
import { fromInt64, type Tensor } from '../tensor/tensor.ts';
import { demandOf, isSameRegion, type Demand, type LocalStep, type StepRange } from './demand.ts';
import { fingerprint } from './fingerprint.ts';
import type { ProgramValue, Tile, WeightSlice } from './program.ts';

/** From this version of the ONNX operator set on, Slice takes its bounds as inputs. */
const FIRST_OPSET_WITH_DYNAMIC_SLICE = 10;

class Emitter {
  readonly nodes: Node[] = [];
  readonly parameters = new Map<string, Tensor>();
  readonly constants = new Map<string, Tensor>();
  readonly weights = new Map<string, WeightSlice>();
  readonly #bound: BoundGraph;
  readonly #demand: Demand;
  /** Wanted outputs that are held in more than is wanted: their producers write under another name. */
  readonly #cropped: ReadonlySet<string>;
  readonly #crops = new Map<string, string>();

  constructor(bound: BoundGraph, demand: Demand, wanted: ReadonlyMap<string, Region | null>) {
    this.#bound = bound;
    this.#demand = demand;
    const isCropped = ([name, region]: [string, Region | null]): boolean =>
      !isSameRegion(region, demand.produced.get(name));
    this.#cropped = new Set([...wanted].filter(isCropped).map(([name]) => name));
  }

  #held(name: string): Region | null | undefined {
    return this.#demand.produced.get(name) ?? this.#demand.feeds.get(name);
  }

  /** The name under which a value of the graph is held in the program. */
  #alias(name: string): string {
    return this.#cropped.has(name) ? `${name}::held` : name;
  }

  #parameter(name: string, value: Tensor): string {
    this.parameters.set(name, value);
    return name;
  }

  /** A node that cuts `region` out of a held value. */
  crop(name: string, region: Region, output: string): string {
    this.#cut(this.#alias(name), this.#held(name)!, region, output);
    return output;
  }

  #cut(input: string, held: Region, region: Region, output: string): void {
    const starts = region.map((interval, axis) => interval.start - held[axis]!.start);
    const ends = region.map((interval, axis) => interval.end - held[axis]!.start);
    const isDynamic = (this.#bound.graph.opsets[''] ?? 1) >= FIRST_OPSET_WITH_DYNAMIC_SLICE;
    const bounds = isDynamic
      ? [
          this.#parameter(`${output}::starts`, fromInt64([starts.length], starts)),
          this.#parameter(`${output}::ends`, fromInt64([ends.length], ends)),
        ]
      : [];
    this.nodes.push({
      name: `${output}::crop`,
      op: 'Slice',
      domain: '',
      inputs: [input, ...bounds],
      outputs: [output],
      attributes: isDynamic ? {} : { starts: ints(...starts), ends: ints(...ends) },
      captures: [],
    });
  }

  /** The name of a region of a weight or constant. */
  #fixed(name: string, region: Region | undefined): string | undefined {
    const weight = this.#bound.graph.weights.get(name);
    const constant = this.#bound.constants.get(name);
    const shape = (weight ?? constant)?.shape;
    if (shape === undefined) return undefined;
    const part = region ?? wholeRegion(shape);
    const label = isWhole(part, shape) ? name : `${name}::${describe(part)}`;
    if (weight !== undefined) this.weights.set(label, { weight: name, ...weight, region: part });
    else if (constant !== undefined) {
      this.constants.set(label, extract(constant.type, { region: wholeRegion(shape), bytes: constant.bytes }, part));
    }
    return label;
  }

  #input(step: LocalStep, position: number, input: LocalInput | null): string | undefined {
    const name = step.step.node.inputs[position]!;
    if (input === null) return name === '' ? '' : undefined;
    if (input.kind === 'parameter') return this.#parameter(`${step.step.node.name}::${position}`, input.value);
    const fixed = this.#fixed(name, input.region);
    if (fixed !== undefined) return fixed;
    if (isSameRegion(this.#held(name), input.region)) return this.#alias(name);
    const key = `${name}${describe(input.region)}`;
    const known = this.#crops.get(key);
    if (known !== undefined) return known;
    const output = `${name}::${this.#crops.size}`;
    this.#crops.set(key, output);
    return this.crop(name, input.region, output);
  }

  /** An operator that runs just as the model has it, its inputs whole. */
  #asIs(node: Node): Node {
    for (const name of node.captures) this.#fixed(name, undefined);
    const inputs = node.inputs.map((name) =>
      name === '' ? name : (this.#fixed(name, undefined) ?? this.#alias(name)),
    );
    return { ...node, inputs, outputs: node.outputs.map((name) => this.#alias(name)) };
  }

  emit(step: LocalStep): void {
    const { node } = step.step;
    if (step.step.bound === undefined) {
      this.nodes.push(this.#asIs(node));
      return;
    }
    const inputs = step.inputs.map((input, position) => this.#input(step, position, input));
    const attributes: Record<string, Attribute> = { ...node.attributes };
    for (const [name, value] of Object.entries(step.local?.attributes ?? {})) {
      if (value === undefined) Reflect.deleteProperty(attributes, name);
      else attributes[name] = value;
    }
    const outputs = node.outputs.map((name) => this.#alias(name));
    const { region, written } = step.local ?? {};
    const isCut = region !== undefined && written !== undefined;
    this.nodes.push({
      ...node,
      inputs: inputs.filter((name) => name !== undefined),
      outputs: isCut ? [`${outputs[0]!}::written`, ...outputs.slice(1)] : outputs,
      attributes,
    });
    if (isCut) this.#cut(`${outputs[0]!}::written`, written, region, outputs[0]!);
  }
}

const attributeText = ([name, { kind, value }]: [string, Attribute]): string =>
  `${name}=${kind}:${value instanceof Uint8Array || typeof value === 'object' ? JSON.stringify(Array.isArray(value) ? value : '') : value}`;

/** Everything that two programs of one model can differ in. */
function structure(
  nodes: readonly Node[],
  outputs: readonly string[],
  range: StepRange,
  folded: readonly string[],
): string {
  const lines = nodes.map(
    (node) =>
      `${node.name}(${node.inputs.join(',')})->${node.outputs.join(',')}{${Object.entries(node.attributes).map(attributeText).join(';')}}`,
  );
  return [`${range.first}-${range.last}`, ...lines, ...outputs, ...folded].join('\n');
}

/** The runtime wants to know how many sizes, scales or axes there are before it knows them. */
const isListOfNumbers = (bound: BoundGraph, name: string): boolean =>
  bound.shapes.get(name)?.length === 1 && bound.types.get(name) === 'int64';

/** Programs of a model have keys that begin with this and a slash. */
export const programScope = (model: ModelId): string => model.slice(0, 16);

/**
 * Compiles the tile of a block that computes the wanted regions.
 * @param scope names the model, since programs of all models share the kernels.
 */
export function compileTile(
  bound: BoundGraph,
  range: StepRange,
  wanted: ReadonlyMap<string, Region | null>,
  scope: string,
): Tile {
  const demand = demandOf(bound, range, wanted);
  const emitter = new Emitter(bound, demand, wanted);
  for (const step of demand.steps) emitter.emit(step);
  for (const [name, region] of wanted) {
    if (region !== null && !isSameRegion(region, demand.produced.get(name))) emitter.crop(name, region, name);
  }
  const value = (name: string): ProgramValue => {
    const type = bound.types.get(name)!;
    const shape = bound.shapes.get(name);
    return shape === undefined ? { name, type } : { name, type, rank: shape.length };
  };
  const feeds = [...demand.feeds].map(([name, region]) =>
    isListOfNumbers(bound, name) && region !== null ? { ...value(name), shape: regionShape(region) } : value(name),
  );
  const { graph } = bound;
  // Folded constants depend on the shapes of the request, so their values are part of the structure.
  const folded = [...emitter.constants]
    .filter(([name]) => !graph.constants.has(name.split('::')[0]!))
    .map(([name, { bytes }]) => `${name}=${bytes.join(' ')}`);
  const sized = feeds.flatMap(({ name, shape }) => (shape === undefined ? [] : [`${name}:${shape.join(',')}`]));
  return {
    program: {
      key: `${scope}/${fingerprint(structure(emitter.nodes, [...wanted.keys()], range, [...folded, ...sized]))}`,
      irVersion: graph.irVersion,
      opsets: graph.opsets,
      nodes: emitter.nodes,
      feeds,
      parameters: [...emitter.parameters].map(([name, { type, shape }]) => ({ name, type, rank: shape.length, shape })),
      outputs: [...wanted.keys()].map(value),
      constants: emitter.constants,
      weights: emitter.weights,
    },
    feeds: demand.feeds,
    parameters: emitter.parameters,
    outputs: wanted,
    macs: demand.macs,
    elements: demand.elements,
  };
}
