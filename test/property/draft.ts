/** A graph in the making: operators are added at its end, and their shapes are known as they are. */
import type { Attribute, Graph, Node, ValueInfo, Weight } from '../../src/core/graph/graph.ts';
import { ruleOf } from '../../src/core/ops/index.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import { byteLength, elementCount, fromNumbers, type Shape, type Tensor } from '../../src/core/tensor/tensor.ts';
import { randomOf, type Random } from './random.ts';

export interface Value {
  readonly name: string;
  readonly type: DataType;
  readonly shape: Shape;
}

export type Attributes = Readonly<Record<string, Attribute | undefined>>;

/** Constants from this size on live in the weight blob. */
const WEIGHT_BYTES = 96;
const MAX_ELEMENTS = 6000;

export class Draft {
  readonly opset: number;
  random: Random;
  /** What further operators may read. */
  readonly values: Value[] = [];
  readonly #made: Value[] = [];
  readonly #nodes: Node[] = [];
  readonly #inputs: Value[] = [];
  readonly #constants = new Map<string, Tensor>();
  readonly #weights = new Map<string, Weight>();
  readonly #weightBytes: Uint8Array[] = [];
  readonly #used = new Set<string>();
  #blobBytes = 0;
  #count = 0;

  constructor(opset: number, random: Random) {
    this.opset = opset;
    this.random = random;
  }

  input(type: DataType, shape: Shape): Value {
    const value = { name: `in${this.#inputs.length}`, type, shape };
    this.#inputs.push(value);
    this.values.push(value);
    return value;
  }

  constant(tensor: Tensor): string {
    const name = `c${this.#count++}`;
    if (tensor.type !== 'int64' && tensor.bytes.byteLength >= WEIGHT_BYTES) {
      this.#weights.set(name, { type: tensor.type, shape: tensor.shape, offset: this.#blobBytes });
      this.#weightBytes.push(tensor.bytes);
      this.#blobBytes += tensor.bytes.byteLength;
    } else {
      this.#constants.set(name, tensor);
    }
    return name;
  }

  /** Numbers from -1 to 1, or of a range. */
  numbers(shape: Shape, least = -1, most = 1): string {
    return this.constant(floats(shape, this.random.integer(0, 2 ** 30), least, most));
  }

  integers(...values: number[]): string {
    return this.constant(fromNumbers('int64', [values.length], values));
  }

  scalar(type: DataType, value: number): string {
    return this.constant(fromNumbers(type, [], [value]));
  }

  /** Adds a node unless its result would be too large or empty; false where it was not added. */
  add(op: string, inputs: readonly (Value | string)[], attributes: Attributes = {}, outputs = 1, domain = ''): boolean {
    const node: Node = {
      name: `${op}_${this.#nodes.length}`,
      op,
      domain,
      inputs: inputs.map((input) => (typeof input === 'string' ? input : input.name)),
      outputs: Array.from({ length: outputs }, (_, index) => `v${this.#nodes.length}_${index}`),
      attributes: Object.fromEntries(
        Object.entries(attributes).filter((entry): entry is [string, Attribute] => entry[1] !== undefined),
      ),
      captures: [],
    };
    const facts = this.#outputsOf(node);
    if (facts === undefined) return false;
    const isUsable = ({ shape }: { readonly shape: Shape }): boolean =>
      shape.every((extent) => Number.isSafeInteger(extent) && extent > 0) && elementCount(shape) <= MAX_ELEMENTS;
    if (!facts.every(isUsable)) return false;
    for (const name of node.inputs) this.#used.add(name);
    this.#nodes.push(node);
    for (const [index, { shape, type }] of facts.entries()) {
      this.#push({ name: node.outputs[index]!, shape, type });
    }
    return true;
  }

  #push(value: Value): void {
    this.values.push(value);
    this.#made.push(value);
  }

  /**
   * Whether anything is quantised yet. The runtime merges one quantisation with the next where it sees both, and rounds once
   * instead of twice: no more than one in a graph can be compared.
   */
  get isQuantized(): boolean {
    return this.#nodes.some((node) => node.op === 'QuantizeLinear');
  }

  /** No further operator reads the value. */
  retire(value: Value): void {
    this.values.splice(this.values.indexOf(value), 1);
  }

  /** Adds a node whose result the rules need not know. */
  addWhole(
    op: string,
    inputs: readonly Value[],
    attributes: Attributes,
    result: Omit<Value, 'name'>,
    domain = '',
  ): void {
    const name = `v${this.#nodes.length}_0`;
    this.#nodes.push({
      name: `${op}_${this.#nodes.length}`,
      op,
      domain,
      inputs: inputs.map((input) => input.name),
      outputs: [name],
      attributes: attributes as Node['attributes'],
      captures: [],
    });
    for (const input of inputs) this.#used.add(input.name);
    this.#push({ ...result, name });
  }

  #outputsOf(node: Node): readonly { readonly shape: Shape; readonly type: DataType }[] | undefined {
    const known = (name: string): { readonly shape: Shape; readonly type: DataType } | undefined =>
      this.values.find((value) => value.name === name) ?? this.#constants.get(name) ?? this.#weights.get(name);
    return ruleOf(node)?.outputs({
      node,
      opset: this.opset,
      inputs: node.inputs.map((name) => known(name)?.shape),
      inputTypes: node.inputs.map((name) => known(name)?.type),
      constants: node.inputs.map((name) => this.#constants.get(name)),
    });
  }

  /** Of all values that nothing reads, those of the last nodes: at least one. */
  build(): { readonly graph: Graph; readonly blob: Uint8Array } {
    const info = ({ name, type, shape }: Value): ValueInfo => ({ name, type, dims: shape });
    const graph: Graph = {
      name: 'random',
      irVersion: 8,
      opsets: { '': this.opset, 'com.microsoft': 1 },
      inputs: this.#inputs.map(info),
      outputs: this.#made.filter((value) => !this.#used.has(value.name)).map(info),
      nodes: this.#nodes,
      constants: this.#constants,
      weights: this.#weights,
      declared: new Map(this.#made.map((value) => [value.name, info(value)])),
    };
    return { graph, blob: Buffer.concat(this.#weightBytes) };
  }
}

export function floats(shape: Shape, seed: number, least = -1, most = 1): Tensor {
  const random = randomOf(seed);
  const values = Array.from(
    { length: elementCount(shape) },
    () => least + ((most - least) * random.integer(0, 1 << 20)) / (1 << 20),
  );
  return fromNumbers('float32', shape, values);
}

export function wholeNumbers(type: DataType, shape: Shape, seed: number, least: number, most: number): Tensor {
  const random = randomOf(seed);
  const count = byteLength('int8', shape);
  return fromNumbers(
    type,
    shape,
    Array.from({ length: count }, () => random.integer(least, most)),
  );
}
