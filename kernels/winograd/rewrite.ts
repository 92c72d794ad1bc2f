/**
 * Programs with WinogradConv nodes to programs of plain ONNX operators. Between such convolutions maps stay in the layout
 * that these work in, channels last: an activation, a pool of 2x2 and a crop in between are taken in; for all other operators
 * the map is turned back.
 */
import { MeshError } from '../../src/core/errors.ts';
import { intAttribute, intsAttribute, stringAttribute, type Node } from '../../src/core/graph/graph.ts';
import { ints } from '../../src/core/ops/rule.ts';
import { isWinogradConv } from '../../src/core/ops/winograd-conv.ts';
import type { Program, WeightSlice } from '../../src/core/program/program.ts';
import type { Shape, Tensor } from '../../src/core/tensor/tensor.ts';
import { regionShape } from '../../src/core/geometry/region.ts';
import { emitConvolution } from './convolution.ts';
import { Emitter } from './emitter.ts';
import { TRANSFORM } from './transform.ts';

/** Filters that the rewritten program reads transformed: one matrix per frequency, called by `frequencyNames`. */
export interface TransformedWeight {
  readonly name: string;
  readonly source: WeightSlice | Tensor;
}

export interface Rewritten {
  /** Refers to the matrices of `transformed` by name, but does not hold them. */
  readonly program: Program;
  readonly transformed: readonly TransformedWeight[];
}

export const frequencyNames = (weight: string): string[] =>
  Array.from({ length: TRANSFORM.frequencies ** 2 }, (_, index) => `${weight}::frequency::${index}`);

/** Elementwise operators of one input, the same in any layout. */
const LAYOUT_FREE: ReadonlySet<string> = new Set([
  'Relu',
  'LeakyRelu',
  'Sigmoid',
  'Tanh',
  'Elu',
  'HardSigmoid',
  'HardSwish',
]);

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

  #isLayoutFree({ op, domain, inputs }: Node): boolean {
    return (
      domain === '' && LAYOUT_FREE.has(op) && this.#channelsLast.has(inputs[0]!) && !this.#turnedBack.has(inputs[0]!)
    );
  }

  #follow(node: Node): void {
    const [output] = node.outputs as [string];
    const result = this.#emitter.one(
      `${output}::channels-last`,
      node.op,
      [this.#channelsLast.get(node.inputs[0]!)!],
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
    const [input, weight, bias] = node.inputs as [string, string, string?];
    const [channelsOut, channelsIn] = this.#shapeOf(node, weight);
    let [output] = node.outputs as [string];
    const take = (isWanted: (reader: Node) => boolean): boolean => {
      const reader = this.#soleReader(output);
      if (reader === undefined || !isWanted(reader)) return false;
      this.#takenIn.add(reader);
      output = reader.outputs[0]!;
      return true;
    };
    const hasRelu = take(({ op, domain }) => op === 'Relu' && domain === '');
    const isPooled = take(isHalvingPool);
    const result = emitConvolution(this.#emitter, {
      name: `${node.outputs[0]!}::winograd`,
      input: this.#inChannelsLast(input),
      weights: frequencyNames(weight),
      bias: bias === '' ? undefined : bias,
      channelsIn,
      channelsOut,
      pads: padsOf(node),
      isRagged: intAttribute(node, 'ragged', 1) === 1,
      hasRelu,
      isPooled,
    });
    this.#channelsLast.set(output, result);
  }

  #shapeOf({ name }: Node, weight: string): readonly [number, number] {
    const slice = this.#program.weights.get(weight);
    const constant = this.#program.constants.get(weight);
    const source = slice ?? constant;
    const shape: Shape = slice === undefined ? (constant?.shape ?? []) : regionShape(slice.region);
    if (source === undefined || shape.length !== 4) throw invalid(name, 'its filters are not fixed by the model');
    this.#transformed.set(weight, { name: weight, source });
    return [shape[0]!, shape[1]!];
  }
}

const invalid = (name: string, reason: string): MeshError =>
  new MeshError('INVALID_MODEL', `node "${name}" cannot be computed by minimal filtering: ${reason}`);

function padsOf(node: Node): readonly [number, number, number, number] {
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET')
    throw invalid(node.name, 'its padding is not given in numbers');
  const [top = 0, left = 0, bottom = 0, right = 0] = intsAttribute(node, 'pads') ?? [];
  return [top, left, bottom, right];
}

/** Whether a node is a MaxPool of 2x2 with stride 2 that begins at the first output and leaves out what is half a window. */
function isHalvingPool(node: Node): boolean {
  const all = (name: string, value: number): boolean =>
    (intsAttribute(node, name) ?? [value]).every((own) => own === value);
  return (
    node.op === 'MaxPool' &&
    node.domain === '' &&
    node.outputs.length === 1 &&
    intsAttribute(node, 'kernel_shape')?.join() === '2,2' &&
    intsAttribute(node, 'strides')?.join() === '2,2' &&
    all('pads', 0) &&
    all('dilations', 1) &&
    intAttribute(node, 'ceil_mode', 0) === 0 &&
    stringAttribute(node, 'auto_pad', 'NOTSET') === 'NOTSET'
  );
}
