/**
 * `AttributeProto` to attributes and back. What the core has no use for (sub-graphs, types, sparse tensors) stays as its
 * encoded bytes, so that it reaches the kernel unchanged.
 * Source: ONNX, onnx.proto, message AttributeProto.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as Kind,
  TensorProto_DataLocation,
  type AttributeProto,
  type GraphProto,
  type TensorProto,
} from 'onnx-buf';
import type { Attribute } from '../../src/core/graph/graph.ts';
import { invalidModel } from './invalid-model.ts';
import { decodeTensor, encodeTensor } from './tensor-proto.ts';

/** @throws MeshError INVALID_MODEL when the attribute contradicts itself; `owner` names its node in the message. */
export function decodeAttribute(proto: AttributeProto, owner: string): Attribute {
  switch (kindOf(proto)) {
    case Kind.FLOAT:
      return { kind: 'float', value: proto.f };
    case Kind.INT:
      return { kind: 'int', value: Number(proto.i) };
    case Kind.STRING:
      return { kind: 'string', value: decodeText(proto.s) };
    case Kind.FLOATS:
      return { kind: 'floats', value: proto.floats };
    case Kind.INTS:
      return { kind: 'ints', value: proto.ints.map(Number) };
    case Kind.STRINGS:
      return { kind: 'strings', value: proto.strings.map(decodeText) };
    case Kind.TENSOR:
      return decodeTensorAttribute(proto, owner);
    case Kind.UNDEFINED:
    case Kind.GRAPH:
    case Kind.GRAPHS:
    case Kind.TENSORS:
    case Kind.SPARSE_TENSOR:
    case Kind.SPARSE_TENSORS:
    case Kind.TYPE_PROTO:
    case Kind.TYPE_PROTOS:
      for (const graph of subGraphs(proto)) refuseExternalData(graph, owner);
      return { kind: 'opaque', value: toBinary(AttributeProtoSchema, proto) };
  }
}

/** Files of IR version 1 and 2 may leave the type out; then the one field that is there tells. */
function kindOf(proto: AttributeProto): Kind {
  if (proto.type !== Kind.UNDEFINED) return proto.type;
  if (proto.t !== undefined) return Kind.TENSOR;
  if (proto.g !== undefined) return Kind.GRAPH;
  if (proto.ints.length > 0) return Kind.INTS;
  if (proto.floats.length > 0) return Kind.FLOATS;
  if (proto.strings.length > 0) return Kind.STRINGS;
  if (proto.s.length > 0) return Kind.STRING;
  if (proto.f !== 0) return Kind.FLOAT;
  return Kind.INT;
}

function decodeTensorAttribute(proto: AttributeProto, owner: string): Attribute {
  if (proto.t === undefined) {
    throw invalidModel(`attribute "${proto.name}" of node "${owner}" holds no tensor; export the model again`);
  }
  const decoded = decodeTensor(proto.t, `${owner}.${proto.name}`);
  if (decoded === undefined) return { kind: 'opaque', value: toBinary(AttributeProtoSchema, proto) };
  if (!(decoded.content instanceof Uint8Array)) {
    throw invalidModel(
      `attribute "${proto.name}" of node "${owner}" lies in an external file, where only initializers may; save the model with it inside`,
      { node: owner },
    );
  }
  return { kind: 'tensor', value: { type: decoded.type, shape: decoded.shape, bytes: decoded.content.slice() } };
}

const decodeText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const encodeText = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

const INT64_MAX = 2n ** 63n - 1n;
/** 2^63-1, "to the end" in many models, is not a double: it comes back as 2^63 and is put right here. */
const encodeInt = (value: number): bigint => (value >= 2 ** 63 ? INT64_MAX : BigInt(value));

export function encodeAttribute(name: string, attribute: Attribute): AttributeProto {
  switch (attribute.kind) {
    case 'float':
      return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: attribute.value });
    case 'int':
      return create(AttributeProtoSchema, { name, type: Kind.INT, i: encodeInt(attribute.value) });
    case 'string':
      return create(AttributeProtoSchema, { name, type: Kind.STRING, s: encodeText(attribute.value) });
    case 'tensor':
      return create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: encodeTensor('', attribute.value) });
    case 'floats':
      return create(AttributeProtoSchema, { name, type: Kind.FLOATS, floats: [...attribute.value] });
    case 'ints':
      return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: attribute.value.map(encodeInt) });
    case 'strings':
      return create(AttributeProtoSchema, { name, type: Kind.STRINGS, strings: attribute.value.map(encodeText) });
    case 'opaque':
      return fromBinary(AttributeProtoSchema, attribute.value);
  }
}

/** A tensor that stays encoded (strings, types unknown here), as an attribute named `value`. */
export const opaqueTensorAttribute = (tensor: TensorProto): Attribute => ({
  kind: 'opaque',
  value: toBinary(
    AttributeProtoSchema,
    create(AttributeProtoSchema, {
      name: 'value',
      type: Kind.TENSOR,
      t: tensor,
    }),
  ),
});

const subGraphs = (proto: AttributeProto): readonly GraphProto[] =>
  proto.g === undefined ? proto.graphs : [proto.g, ...proto.graphs];

/** The values that the sub-graphs of a node read from outside, in order of first use. */
export function capturedValues(attributes: readonly AttributeProto[]): string[] {
  const free = new Set<string>();
  for (const attribute of attributes) {
    for (const graph of subGraphs(attribute)) for (const name of freeValues(graph)) free.add(name);
  }
  return [...free];
}

function freeValues(graph: GraphProto): Set<string> {
  const bound = new Set<string>();
  for (const input of graph.input) bound.add(input.name);
  for (const initializer of graph.initializer) bound.add(initializer.name);
  for (const sparse of graph.sparseInitializer) bound.add(sparse.values?.name ?? '');
  for (const node of graph.node) for (const output of node.output) bound.add(output);
  const free = new Set<string>();
  const read = (name: string): void => {
    if (name !== '' && !bound.has(name)) free.add(name);
  };
  for (const node of graph.node) {
    node.input.forEach(read);
    capturedValues(node.attribute).forEach(read);
  }
  for (const output of graph.output) read(output.name);
  return free;
}

/** A sub-graph travels as bytes, apart from any folder: what it needs must be in it. */
function refuseExternalData(graph: GraphProto, owner: string): void {
  const tensors = [...graph.initializer];
  for (const node of graph.node) {
    for (const attribute of node.attribute) {
      if (attribute.t !== undefined) tensors.push(attribute.t);
      for (const inner of subGraphs(attribute)) refuseExternalData(inner, owner);
    }
  }
  const external = tensors.find((tensor) => tensor.dataLocation === TensorProto_DataLocation.EXTERNAL);
  if (external === undefined) return;
  throw invalidModel(
    `tensor "${external.name}" in a sub-graph of node "${owner}" lies in an external file; save the model with it inside`,
    { node: owner, tensor: external.name },
  );
}
