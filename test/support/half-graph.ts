/** A network in half precision: its real inputs, weights and constants are, and so is all that is computed from them. */
import type { Graph, Node, ValueInfo, Weight } from '../../src/core/graph/graph.ts';
import { byteLength, converted, tensor, type Tensor } from '../../src/core/tensor/tensor.ts';

/** A graph with its weight blob, and inputs for it. */
export interface Network {
  readonly graph: Graph;
  readonly blob: Uint8Array;
  readonly inputs: ReadonlyMap<string, Tensor>;
}

/** Numbers of element types in ONNX. */
const FLOAT = 1;
const FLOAT16 = 10;

/** Inputs that are single precision whatever the data is, by position. */
const SINGLE: Readonly<Record<string, readonly number[]>> = { Resize: [1, 2], Upsample: [1] };

const castTo = (node: Node, to: number): Node => ({
  ...node,
  attributes: { ...node.attributes, to: { kind: 'int', value: to } },
});
const isToFloat = ({ op, attributes }: Node): boolean =>
  op === 'Cast' && attributes.to?.kind === 'int' && attributes.to.value === FLOAT;

export function halved({ graph, blob, inputs }: Network): Network {
  const single = new Set(graph.nodes.flatMap(({ op, inputs: read }) => (SINGLE[op] ?? []).map((index) => read[index])));
  const half = (name: string, value: Tensor): Tensor =>
    value.type === 'float32' && !single.has(name) ? converted(value, 'float16') : value;
  const info = (value: ValueInfo): ValueInfo => (value.type === 'float32' ? { ...value, type: 'float16' } : value);
  const parts: Uint8Array[] = [];
  let offset = 0;
  const weights = [...graph.weights].map(([name, weight]) => {
    const { type, shape } = weight;
    const own = half(name, tensor(type, shape, blob.subarray(weight.offset, weight.offset + byteLength(type, shape))));
    const laid: Weight = { type: own.type, shape, offset };
    parts.push(own.bytes);
    offset += own.bytes.byteLength;
    return [name, laid] as const;
  });
  return {
    graph: {
      ...graph,
      inputs: graph.inputs.map(info),
      outputs: graph.outputs.map(info),
      declared: new Map([...(graph.declared ?? [])].map(([name, value]) => [name, info(value)])),
      nodes: graph.nodes.map((node) => (isToFloat(node) ? castTo(node, FLOAT16) : node)),
      constants: new Map([...graph.constants].map(([name, value]) => [name, half(name, value)])),
      weights: new Map(weights),
    },
    blob: Buffer.concat(parts),
    inputs: new Map([...inputs].map(([name, value]) => [name, half(name, value)])),
  };
}

/** The same, but given and answering in single precision: a Cast at each end, as converters leave them. */
export function halvedInside(network: Network): Network {
  const { graph, blob } = halved(network);
  const cast = (from: string, to: string, type: number): Node =>
    castTo(
      { name: `cast ${to}`, op: 'Cast', domain: '', inputs: [from], outputs: [to], attributes: {}, captures: [] },
      type,
    );
  const isReal = ({ type }: ValueInfo): boolean => type === 'float32';
  const ends = new Set([...network.graph.inputs, ...network.graph.outputs].filter(isReal).map(({ name }) => name));
  const inner = (name: string): string => (ends.has(name) ? `${name}::half` : name);
  const nodes = [
    ...network.graph.inputs.filter(isReal).map(({ name }) => cast(name, inner(name), FLOAT16)),
    ...graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(inner), outputs: node.outputs.map(inner) })),
    ...network.graph.outputs.filter(isReal).map(({ name }) => cast(inner(name), name, FLOAT)),
  ];
  const { inputs, outputs } = network.graph;
  return { graph: { ...graph, inputs, outputs, nodes }, blob, inputs: network.inputs };
}
