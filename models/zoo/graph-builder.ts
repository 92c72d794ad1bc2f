/**
 * Writes down a network that is one chain of layers. It keeps track of the shape of the last value, so that a layer says
 * only what is particular to it; every parameter becomes a weight `<layer>.weight` or `<layer>.bias`.
 */
import type { Attribute, Graph, Node, Weight } from '../../src/core/graph/graph.ts';
import { byteLength, elementCount, type Shape } from '../../src/core/tensor/tensor.ts';
import { WEIGHT_ALIGNMENT_BYTES } from '../onnx/initializers.ts';

export interface ConvolutionLayer {
  /** Output channels. */
  readonly outputs: number;
  /** Height and width. */
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on each side; none unless told. */
  readonly padding?: number;
  readonly groups?: number;
}

export interface PoolLayer {
  readonly kernel: number;
  readonly stride: number;
}

/** Constants of local response normalisation, as ONNX defines them: `alpha` is divided by `size`. */
export interface ResponseNormalisation {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

export interface GraphBuilder {
  /** Square, with a bias. */
  convolution(name: string, layer: ConvolutionLayer): void;
  relu(name: string): void;
  maxPool(name: string, layer: PoolLayer): void;
  responseNormalisation(name: string, constants: ResponseNormalisation): void;
  flatten(name: string): void;
  /** Fully connected, with a bias; the weight has the shape [outputs, inputs]. */
  dense(name: string, outputs: number): void;
  softmax(name: string): void;
  /** The last value is the output. */
  build(): Graph;
}

const OPSET = 13;
const IR_VERSION = 7;
const BATCH = 'batch';

const int = (value: number): Attribute => ({ kind: 'int', value });
const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
const float = (value: number): Attribute => ({ kind: 'float', value: Math.fround(value) });

/** @param input name and shape of the input, without the batch, which stays open. */
export function graphBuilder(name: string, input: { readonly name: string; readonly dims: Shape }): GraphBuilder {
  const nodes: Node[] = [];
  const weights = new Map<string, Weight>();
  let blobBytes = 0;
  let value = input.name;
  let shape: Shape = input.dims;

  const addWeight = (weight: string, dims: Shape): string => {
    const offset = Math.ceil(blobBytes / WEIGHT_ALIGNMENT_BYTES) * WEIGHT_ALIGNMENT_BYTES;
    weights.set(weight, { type: 'float32', shape: dims, offset });
    blobBytes = offset + byteLength('float32', dims);
    return weight;
  };
  const addNode = (
    layer: string,
    op: string,
    outputShape: Shape,
    attributes: Readonly<Record<string, Attribute>> = {},
    parameters: readonly string[] = [],
  ): void => {
    const inputs = [value, ...parameters];
    nodes.push({ name: layer, op, domain: '', inputs, outputs: [layer], attributes, captures: [] });
    value = layer;
    shape = outputShape;
  };
  const slid = (kernel: number, stride: number, padding: number): number[] =>
    shape.slice(1).map((extent) => Math.floor((extent + 2 * padding - kernel) / stride) + 1);

  return {
    convolution: (layer, { outputs, kernel, stride = 1, padding = 0, groups = 1 }) => {
      const weight = addWeight(`${layer}.weight`, [outputs, shape[0]! / groups, kernel, kernel]);
      const bias = addWeight(`${layer}.bias`, [outputs]);
      const attributes = {
        kernel_shape: ints(kernel, kernel),
        strides: ints(stride, stride),
        pads: ints(padding, padding, padding, padding),
        group: int(groups),
      };
      addNode(layer, 'Conv', [outputs, ...slid(kernel, stride, padding)], attributes, [weight, bias]);
    },
    relu: (layer) => addNode(layer, 'Relu', shape),
    maxPool: (layer, { kernel, stride }) => {
      const attributes = { kernel_shape: ints(kernel, kernel), strides: ints(stride, stride) };
      addNode(layer, 'MaxPool', [shape[0]!, ...slid(kernel, stride, 0)], attributes);
    },
    responseNormalisation: (layer, { size, alpha, beta, bias }) => {
      addNode(layer, 'LRN', shape, { size: int(size), alpha: float(alpha), beta: float(beta), bias: float(bias) });
    },
    flatten: (layer) => addNode(layer, 'Flatten', [elementCount(shape)], { axis: int(1) }),
    dense: (layer, outputs) => {
      const weight = addWeight(`${layer}.weight`, [outputs, shape[0]!]);
      const bias = addWeight(`${layer}.bias`, [outputs]);
      addNode(layer, 'Gemm', [outputs], { transB: int(1) }, [weight, bias]);
    },
    softmax: (layer) => addNode(layer, 'Softmax', shape, { axis: int(-1) }),
    build: () => ({
      name,
      irVersion: IR_VERSION,
      opsets: { '': OPSET },
      inputs: [{ name: input.name, type: 'float32', dims: [BATCH, ...input.dims] }],
      outputs: [{ name: value, type: 'float32', dims: [BATCH, ...shape] }],
      nodes,
      constants: new Map(),
      weights,
    }),
  };
}
