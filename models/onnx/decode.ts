/**
 * ONNX files to graphs. Nothing is copied but small constants: the bytes of weights are views of the file's own.
 * What a file may hold is checked in full, so that whoever works with the graph need not.
 * Source: ONNX, docs/IR.md.
 */
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from 'onnx-buf';
import type { Attribute, Graph, Node, ValueInfo } from '../../src/core/graph/graph.ts';
import { capturedValues, decodeAttribute, opaqueTensorAttribute } from './attribute-proto.ts';
import { checkWire, WireLimitError, wireMemory } from '../../src/core/wire.ts';
import type { ExternalLocation } from './external-location.ts';
import { collectInitializers, constantOf, type ReadExternal } from './initializers.ts';
import { invalidModel } from './invalid-model.ts';
import { sortNodes, uniqueNames } from './order.ts';
import { typeName } from './tensor-proto.ts';
import { decodeValueInfo } from './value-info-proto.ts';

export interface DecodedModel {
  readonly graph: Graph;
  /** Bytes from the start of the weight blob to the end of its last weight. */
  readonly weightBlobBytes: number;
  /**
   * The bytes of one of `graph.weights`, contiguous and little-endian, as a view of the model's bytes where they are in
   * it; else where they are. @throws MeshError INVALID_ARGUMENT for other names.
   */
  weightBytes(name: string): Uint8Array | ExternalLocation;
}

export interface DecodeOptions {
  /**
   * Reads external data that is small enough to be a constant, such as shapes. Without it every external tensor is a
   * weight, whatever its size.
   */
  readonly readExternal?: ReadExternal;
}

/** Memory that all may take that is not bytes of tensors; graphs of tens of thousands of nodes take a tenth of it. */
const MAX_PARTS_BYTES = 128 * 2 ** 20;
/** Levels of messages: graphs within nodes within graphs take four each. */
const MAX_DEPTH = 64;

/** From this version on initializers need not be inputs as well, which is how graphs are written here. */
const MIN_IR_VERSION = 4;

/** @throws MeshError INVALID_MODEL that names the node or tensor at fault, for whatever is not a valid model. */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): DecodedModel {
  const { model, source } = parse(bytes);
  const opsets = decodeOpsets(model);
  const initializers = collectInitializers(options.readExternal);
  const nameNode = uniqueNames();
  const nodes: Node[] = [];
  for (const tensor of source.initializer) {
    if (!initializers.add(tensor.name, tensor)) nodes.push(encodedConstant(nameNode(tensor.name, 'Constant'), tensor));
  }
  const given = new Set(source.initializer.map((tensor) => tensor.name));
  const inputs = source.input.filter(({ name }) => !given.has(name)).map((input) => decodeValueInfo(input, 'input'));
  for (const proto of source.node) {
    const value = constantOf(proto);
    if (value !== undefined && initializers.add(proto.output[0]!, value)) continue;
    nodes.push(decodeNode(proto, nameNode(proto.name, proto.opType), opsets));
  }

  const { constants, weights } = initializers;
  const known = knownValues(inputs, [...constants.keys(), ...weights.keys()]);
  const sorted = sortNodes(nodes, known);
  const graph: Graph = {
    name: source.name,
    irVersion: Math.max(Number(model.irVersion), MIN_IR_VERSION),
    opsets,
    inputs,
    outputs: decodeOutputs(source, sorted, known),
    nodes: sorted,
    constants,
    weights,
    declared: decodeDeclared(source),
  };
  return { graph, weightBlobBytes: initializers.blobBytes, weightBytes: (name) => initializers.bytesOf(name) };
}

function parse(bytes: Uint8Array): { readonly model: ModelProto; readonly source: GraphProto } {
  let model: ModelProto;
  try {
    checkWire(ModelProtoSchema, bytes, { budget: MAX_PARTS_BYTES, depth: MAX_DEPTH, cost: wireMemory });
    model = fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false, recursionLimit: MAX_DEPTH });
  } catch (cause) {
    if (cause instanceof WireLimitError) {
      throw invalidModel(
        `the model ${cause.message}; keep its tensors as raw data (onnx.save does) or split it`,
        {},
        cause,
      );
    }
    throw invalidModel('this is not an ONNX model, or it is damaged or cut short; fetch or export it again', {}, cause);
  }
  const source = model.graph;
  if (source === undefined || source.output.length === 0) {
    throw invalidModel('this is not an ONNX model: it holds no graph with outputs; export it again');
  }
  if (model.functions.length > 0) {
    throw invalidModel(
      `the model defines the function "${model.functions[0]!.name}"; inline model-local functions (onnx.inliner) and save it again`,
    );
  }
  if (source.sparseInitializer.length > 0) {
    const name = source.sparseInitializer[0]!.values?.name ?? '';
    throw invalidModel(`initializer "${name}" is sparse; export the model with dense weights`, { tensor: name });
  }
  return { model, source };
}

const normalDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

function decodeOpsets(model: ModelProto): Record<string, number> {
  return Object.fromEntries(
    model.opsetImport.map(({ domain, version }) => {
      if (version < 1n || version > 1_000_000n) {
        throw invalidModel(
          `the operator set "${domain}" has the version ${version.toString()}; export the model again`,
        );
      }
      return [normalDomain(domain), Number(version)];
    }),
  );
}

function decodeNode(proto: NodeProto, name: string, opsets: Readonly<Record<string, number>>): Node {
  const domain = normalDomain(proto.domain);
  if (proto.opType === '')
    throw invalidModel(`node "${name}" names no operator; export the model again`, { node: name });
  if (!Object.hasOwn(opsets, domain)) {
    throw invalidModel(
      `node "${name}" is a ${proto.opType} of the operator set "${domain}", whose version the model does not say; export it again`,
      { node: name },
    );
  }
  const attributes: [string, Attribute][] = proto.attribute.map((attribute) => [
    attribute.name,
    decodeAttribute(attribute, name),
  ]);
  return {
    name,
    op: proto.opType,
    domain,
    inputs: proto.input,
    outputs: proto.output,
    attributes: Object.fromEntries(attributes),
    captures: capturedValues(proto.attribute),
  };
}

/** An initializer that stays encoded, as a node: whatever can run it understands its bytes. */
const encodedConstant = (name: string, tensor: TensorProto): Node => ({
  name,
  op: 'Constant',
  domain: '',
  inputs: [],
  outputs: [tensor.name],
  attributes: { value: opaqueTensorAttribute(tensor) },
  captures: [],
});

function knownValues(inputs: readonly ValueInfo[], constants: readonly string[]): Set<string> {
  const known = new Set<string>();
  for (const name of [...inputs.map((input) => input.name), ...constants]) {
    if (name === '' || known.has(name)) {
      throw invalidModel(`the name "${name}" is given to two inputs or constants; export the model again`);
    }
    known.add(name);
  }
  return known;
}

/** What is said of values in between is of use only where it can be read: the rest is left out. */
function decodeDeclared(source: GraphProto): Map<string, ValueInfo> {
  const declared = new Map<string, ValueInfo>();
  for (const proto of source.valueInfo) {
    const type = proto.type?.value;
    if (type?.case !== 'tensorType' || type.value.shape === undefined || typeName(type.value.elemType) === undefined) {
      continue;
    }
    declared.set(proto.name, decodeValueInfo(proto, 'output'));
  }
  return declared;
}

function decodeOutputs(source: GraphProto, nodes: readonly Node[], known: ReadonlySet<string>): ValueInfo[] {
  const written = new Set(nodes.flatMap((node) => node.outputs));
  const seen = new Set<string>();
  return source.output.map((output) => {
    const { name } = output;
    if (seen.has(name)) throw invalidModel(`output "${name}" is declared twice; export the model again`);
    seen.add(name);
    if (!known.has(name) && !written.has(name)) {
      throw invalidModel(`no node computes the output "${name}"; export the model again`, { value: name });
    }
    return decodeValueInfo(output, 'output');
  });
}
