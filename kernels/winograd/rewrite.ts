/**
 * Programs with WinogradConv nodes to programs of plain ONNX operators. Between such convolutions maps stay in the layout
 * that these work in, channels last: an activation, a pool of 2x2 and a crop in between are taken in; for all other operators
 * the map is turned back.
 */
import { MeshError } from '../../src/core/errors.ts';
import { floatAttribute, intAttribute, intsAttribute, stringAttribute, type Node } from '../../src/core/graph/graph.ts';
import { ints } from '../../src/core/ops/rule.ts';
import { isWinogradConv } from '../../src/core/ops/winograd-conv.ts';
import { isActivation, isHalvingPool, isLayoutFree } from '../../src/core/ops/map-layout.ts';
import type { Program, WeightSlice } from '../../src/core/program/program.ts';
import type { Shape, Tensor } from '../../src/core/tensor/tensor.ts';
import { regionShape } from '../../src/core/geometry/region.ts';
import { emitConvolution } from './convolution.ts';
import { Emitter } from './emitter.ts';
import { TRANSFORM } from './transform.ts';

export type WeightSource = WeightSlice | Tensor;

/** A normalisation of each output channel: `(x + bias - mean) / sqrt(variance + epsilon) * scale + offset`. */
export interface Normalization<Values> {
  /** Of the convolution before it. */
  readonly bias: Values | undefined;
  readonly scale: Values;
  readonly offset: Values;
  readonly mean: Values;
  readonly variance: Values;
  readonly epsilon: number;
}

/**
 * Filters that the rewritten program reads transformed: one matrix per frequency, called by `frequencyNames`. With a
 * normalisation in them there is also the bias that it leaves, called by `biasName`.
 */
export interface TransformedWeight {
  readonly name: string;
  readonly source: WeightSource;
  readonly normalization?: Normalization<WeightSource>;
}

export interface Rewritten {
  /** Refers to the matrices of `transformed` by name, but does not hold them. */
  readonly program: Program;
  readonly transformed: readonly TransformedWeight[];
}

export const frequencyNames = (weight: string): string[] =>
  Array.from({ length: TRANSFORM.frequencies ** 2 }, (_, index) => `${weight}::frequency::${index}`);

export const biasName = (weight: string): string => `${weight}::bias`;

/** Rows and columns where channels are last, in the order of axes where they come second. */
const CHANNELS_LAST_AXES = [0, 3, 1, 2];

export const needsRewriting = (program: Program): boolean => program.nodes.some(isWinogradConv);

/** @throws MeshError INVALID_MODEL for a convolution that cannot be computed so. */
export function rewriteProgram(program: Program): Rewritten {
  return needsRewriting(program) ? new Rewriting(program).run() : { program, transformed: [] };
}

class Rewriting {
  readonly #program: Program;
  readonly #emitter: Emitter;
  /** Nodes that read each value; an output of the program counts as read twice, since nothing may take it in. */
  readonly #readers = new Map<string, Node[]>();
  readonly #outputs: ReadonlySet<string>;
  /** Names of the values that there are with channels last. */
  readonly #channelsLast = new Map<string, string>();
  /** Of those, the ones that there are in their own layout as well. */
  readonly #turnedBack = new Set<string>();
  readonly #takenIn = new Set<Node>();
  readonly #transformed = new Map<string, TransformedWeight>();

  constructor(program: Program) {
    this.#program = program;
    this.#emitter = new Emitter(program.constants);
    this.#outputs = new Set(program.outputs.map(({ name }) => name));
    for (const node of program.nodes) {
      for (const name of new Set([...node.inputs, ...node.captures])) {
        this.#readers.set(name, [...(this.#readers.get(name) ?? []), node]);
      }
    }
  }

  run(): Rewritten {
    for (const node of this.#program.nodes) {
      if (this.#takenIn.has(node)) continue;
      if (isWinogradConv(node)) this.#convolve(node);
      else if (this.#isLayoutFree(node)) this.#follow(node);
      else if (this.#isCrop(node)) this.#crop(node);
      else this.#keep(node);
    }
    for (const name of this.#outputs) this.#turnBack(name);
    const { nodes, constants } = this.#emitter;
    const read = new Set(nodes.flatMap(({ inputs, captures }) => [...inputs, ...captures]));
    const isRead = ([name]: readonly [string, unknown]): boolean => read.has(name) || this.#outputs.has(name);
    const program: Program = {
      ...this.#program,
      nodes,
      constants: new Map([...constants].filter(isRead)),
      weights: new Map([...this.#program.weights].filter(isRead)),
    };
    return { program, transformed: [...this.#transformed.values()] };
  }

  #keep(node: Node): void {
    for (const name of [...node.inputs, ...node.captures]) this.#turnBack(name);
    this.#emitter.nodes.push(node);
  }

  /** Sees to it that a value is there in its own layout. */
  #turnBack(name: string): void {
    const channelsLast = this.#channelsLast.get(name);
    if (channelsLast === undefined || this.#turnedBack.has(name)) return;
    this.#turnedBack.add(name);
    this.#emitter.one(name, 'Transpose', [channelsLast], { perm: ints(0, 3, 1, 2) });
  }

  #inChannelsLast(name: string): string {
    const known = this.#channelsLast.get(name);
    if (known !== undefined) return known;
    const turned = this.#emitter.one(`${name}::channels-last`, 'Transpose', [name], { perm: ints(0, 2, 3, 1) });
    this.#channelsLast.set(name, turned);
    this.#turnedBack.add(name);
    return turned;
  }

  #isLayoutFree(node: Node): boolean {
    const { inputs } = node;
    return (
      isLayoutFree(node) &&
      inputs.every((name) => this.#channelsLast.has(name)) &&
      inputs.some((name) => !this.#turnedBack.has(name))
    );
  }

  #follow(node: Node): void {
    const [output] = node.outputs as [string];
    const result = this.#emitter.one(
      `${output}::channels-last`,
      node.op,
      node.inputs.map((name) => this.#channelsLast.get(name)!),
      node.attributes,
    );
    this.#channelsLast.set(output, result);
  }

  /** The Slice that a program has where a value is held in more than one reader needs: bounds for every axis. */
  #isCrop({ op, domain, inputs }: Node): boolean {
    return op === 'Slice' && domain === '' && inputs.length === 3 && this.#channelsLast.has(inputs[0]!);
  }

  #crop({ inputs, outputs }: Node): void {
    const [input, starts, ends] = inputs as [string, string, string];
    const [output] = outputs as [string];
    const axes = this.#emitter.list(...CHANNELS_LAST_AXES);
    const cropped = this.#emitter.one(`${output}::channels-last`, 'Slice', [
      this.#channelsLast.get(input)!,
      starts,
      ends,
      axes,
    ]);
    this.#channelsLast.set(output, cropped);
  }

  /** The one node that reads a value, where nobody else does. */
  #soleReader(name: string): Node | undefined {
    const readers = this.#readers.get(name) ?? [];
    return readers.length === 1 && !this.#outputs.has(name) ? readers[0] : undefined;
  }

  #convolve(node: Node): void {
    const [input, , bias = ''] = node.inputs as [string, string, string?];
    const { name: weight, source, normalization } = this.#transform(node);
    const [channelsOut, channelsIn] = shapeOf(source) as [number, number];
    let [output] = node.outputs as [string];
    const take = (isWanted: (reader: Node) => boolean): Node | undefined => {
      const reader = this.#soleReader(output);
      if (reader === undefined || !isWanted(reader)) return undefined;
      this.#takenIn.add(reader);
      output = reader.outputs[0]!;
      return reader;
    };
    const activation = take(isActivation);
    const isPooled = take(isHalvingPool) !== undefined;
    const result = emitConvolution(this.#emitter, {
      name: `${node.outputs[0]!}::winograd`,
      input: this.#inChannelsLast(input),
      weights: frequencyNames(weight),
      bias: normalization !== undefined ? biasName(weight) : bias === '' ? undefined : bias,
      channelsIn,
      channelsOut,
      pads: padsOf(node),
      isRagged: intAttribute(node, 'ragged', 1) === 1,
      activation,
      isPooled,
    });
    this.#channelsLast.set(output, result);
  }

  /** Filters may stand in several convolutions, and in each with another normalisation. */
  #transform(node: Node): TransformedWeight {
    const [, weight, bias, ...factors] = node.inputs as [string, string, ...string[]];
    const source = this.#fixed(node, weight);
    if (factors.length === 0) {
      const plain = { name: weight, source };
      this.#transformed.set(weight, plain);
      return plain;
    }
    const [scale, offset, mean, variance] = factors.map((name) => this.#fixed(node, name)) as [
      WeightSource,
      WeightSource,
      WeightSource,
      WeightSource,
    ];
    const epsilon = floatAttribute(node, 'epsilon', 0);
    const before = bias === undefined || bias === '' ? undefined : this.#fixed(node, bias);
    const name = `${node.outputs[0]!}::normalized`;
    const normalized = { name, source, normalization: { bias: before, scale, offset, mean, variance, epsilon } };
    this.#transformed.set(name, normalized);
    return normalized;
  }

  #fixed({ name: node }: Node, name: string): WeightSource {
    const source = this.#program.weights.get(name) ?? this.#program.constants.get(name);
    if (source === undefined) throw invalid(node, `"${name}" is not fixed by the model`);
    return source;
  }
}

const shapeOf = (source: WeightSource): Shape => ('bytes' in source ? source.shape : regionShape(source.region));

const invalid = (name: string, reason: string): MeshError =>
  new MeshError('INVALID_MODEL', `node "${name}" cannot be computed by minimal filtering: ${reason}`);

function padsOf(node: Node): readonly [number, number, number, number] {
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET')
    throw invalid(node.name, 'its padding is not given in numbers');
  const [top = 0, left = 0, bottom = 0, right = 0] = intsAttribute(node, 'pads') ?? [];
  return [top, left, bottom, right];
}
