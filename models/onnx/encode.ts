/**
 * Graphs and programs to ONNX files. Bytes of weights are referred to as external data or put inside.
 * Source: ONNX, docs/IR.md and docs/ExternalData.md.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  ModelProtoSchema,
  NodeProtoSchema,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { regionShape } from '../../src/core/geometry/region.ts';
import type { Graph, Node, ValueInfo } from '../../src/core/graph/graph.ts';
import type { Program, ProgramValue, WeightSlice } from '../../src/core/program/program.ts';
import { byteLength, type Tensor } from '../../src/core/tensor/tensor.ts';
import { encodeAttribute } from './attribute-proto.ts';
import type { ExternalLocation } from './external-location.ts';
import { encodeExternalTensor, encodeTensor } from './tensor-proto.ts';
import { encodeValueInfo } from './value-info-proto.ts';

/** Where a kernel finds the elements of a weight slice. */
export type Placement =
  ({ readonly kind: 'external' } & ExternalLocation) | { readonly kind: 'inline'; readonly bytes: Uint8Array };

/**
 * The graph as an ONNX file; `decodeModel` gives it back.
 * @param weights name of the file beside it that holds the weight blob, or the bytes of each weight, to be put inside
 *   (files of 2 GiB and more are no valid protobuf).
 */
export function encodeGraph(graph: Graph, weights: string | ((name: string) => Uint8Array)): Uint8Array<ArrayBuffer> {
  const initializers = encodeConstants(graph.constants);
  for (const [name, { type, shape, offset }] of graph.weights) {
    initializers.push(
      typeof weights === 'string'
        ? encodeExternalTensor(name, type, shape, { location: weights, offset, length: byteLength(type, shape) })
        : encodeTensor(name, { type, shape, bytes: weights(name) }),
    );
  }
  return encodeModel(
    graph,
    graph.name,
    graph.inputs.map(({ name, type, dims }) => encodeValueInfo(name, type, dims)),
    graph.outputs.map(({ name, type, dims }) => encodeValueInfo(name, type, dims)),
    initializers,
    [...(graph.declared ?? new Map<string, ValueInfo>()).values()].map(({ name, type, dims }) =>
      encodeValueInfo(name, type, dims),
    ),
  );
}

/**
 * The program as an ONNX model whose inputs are its feeds and parameters, of fixed rank and open dimensions.
 * @param place says for each weight slice where its elements, contiguous in its own region's order, are.
 * @param isOpen weights that the runtime is to take for inputs with a default, and therefore leaves as they are.
 */
export function encodeProgram(
  program: Program,
  place: (name: string, slice: WeightSlice) => Placement,
  isOpen: (name: string) => boolean = () => false,
): Uint8Array<ArrayBuffer> {
  const initializers = encodeConstants(program.constants);
  for (const [name, slice] of program.weights) {
    const shape = regionShape(slice.region);
    const placement = place(name, slice);
    initializers.push(
      placement.kind === 'external'
        ? encodeExternalTensor(name, slice.type, shape, placement)
        : encodeTensor(name, { type: slice.type, shape, bytes: placement.bytes }),
    );
  }
  const open = [...program.weights]
    .filter(([name]) => isOpen(name))
    .map(([name, { type, region }]) => ({ name, type, shape: regionShape(region) }));
  const hasNames = program.opsets[''] !== OPSET_THAT_MISTAKES_NAMES;
  const inputs = [...program.feeds, ...program.parameters, ...open].map((value) => encodeProgramValue(value, hasNames));
  const outputs = program.outputs.map((value) => encodeProgramValue(value, hasNames));
  return encodeModel(program, program.key, inputs, outputs, initializers);
}

/**
 * Tensors as a piece of an ONNX file that, appended to one, adds them to its initializers.
 * Source: Protocol Buffers, Encoding, "Last One Wins": parsers join messages that come in pieces.
 */
export const encodeInitializers = (tensors: ReadonlyMap<string, Tensor>): Uint8Array<ArrayBuffer> =>
  toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: { initializer: encodeConstants(tensors) } }));

/**
 * In this version, shape inference gives a dimension that Slice has made smaller the name of the larger one, and the runtime
 * takes values of the two sizes for equally large. Corrected in the next version only: https://github.com/onnx/onnx/pull/2526
 */
const OPSET_THAT_MISTAKES_NAMES = 10;

const encodeConstants = (constants: ReadonlyMap<string, Tensor>): TensorProto[] =>
  [...constants].map(([name, tensor]) => encodeTensor(name, tensor));

function encodeProgramValue({ name, type, rank, shape }: ProgramValue, hasNames: boolean): ValueInfoProto {
  const nameOf = (axis: number): string => (hasNames ? `${name}_${axis}` : '');
  const dims = shape ?? (rank === undefined ? undefined : Array.from({ length: rank }, (_, axis) => nameOf(axis)));
  return encodeValueInfo(name, type, dims);
}

function encodeModel(
  source: Pick<Graph, 'irVersion' | 'opsets' | 'nodes'>,
  name: string,
  input: ValueInfoProto[],
  output: ValueInfoProto[],
  initializer: TensorProto[],
  valueInfo: ValueInfoProto[] = [],
): Uint8Array<ArrayBuffer> {
  const model: ModelProto = create(ModelProtoSchema, {
    irVersion: BigInt(source.irVersion),
    producerName: 'tilemesh',
    opsetImport: Object.entries(source.opsets).map(([domain, version]) => ({ domain, version: BigInt(version) })),
    graph: { name, input, output, initializer, valueInfo, node: source.nodes.map(encodeNode) },
  });
  return toBinary(ModelProtoSchema, model);
}

const encodeNode = ({ name, op, domain, inputs, outputs, attributes }: Node): NodeProto =>
  create(NodeProtoSchema, {
    name,
    opType: op,
    domain,
    input: [...inputs],
    output: [...outputs],
    attribute: Object.entries(attributes).map(([key, attribute]) => encodeAttribute(key, attribute)),
  });
