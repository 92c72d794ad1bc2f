/**
 * Writes down a network layer by layer. It keeps track of the shape of the last value, so that a layer says only what is
 * particular to it; every parameter becomes a weight `<layer>.weight`, `<layer>.bias` and so on. Branches start from a
 * value that was kept (`value`, `from`) and end in `add` or `concat`.
 */
import type { Attribute, Graph, Node, Weight } from '../../src/core/graph/graph.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import { byteLength, elementCount, fromFloat32, type Shape, type Tensor } from '../../src/core/tensor/tensor.ts';
import { WEIGHT_ALIGNMENT_BYTES } from '../onnx/initializers.ts';

/** Without the batch; a name stands for an extent that each request brings along. */
export type OpenShape = readonly (number | string)[];

export interface ConvolutionLayer {
  /** Output channels. */
  readonly outputs: number;
  /** Extent along every axis but the channels: 3 is 3x3 on maps, and 3 steps on a series. */
  readonly kernel: number;
  readonly stride?: number;
  readonly dilation?: number;
  /** Zeros on each side, or before and after; none unless told. */
  readonly padding?: number | { readonly before: number; readonly after: number };
  readonly groups?: number;
  /** False where a batch normalisation follows. */
  readonly hasBias?: boolean;
}

export interface PoolLayer {
  readonly kernel: number;
  readonly stride: number;
  readonly padding?: number | { readonly before: number; readonly after: number };
}

/** Constants of local response normalisation, as ONNX defines them: `alpha` is divided by `size`. */
export interface ResponseNormalisation {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

/** A value of the network to come back to. */
export interface Value {
  readonly name: string;
  readonly shape: OpenShape;
}

export interface GraphBuilder {
  convolution(name: string, layer: ConvolutionLayer): void;
  /** With the statistics of training: scale, bias, mean and variance per channel. */
  batchNormalisation(name: string): void;
  relu(name: string): void;
  /** min(max(0, x), 6) */
  relu6(name: string): void;
  leakyRelu(name: string, slope: number): void;
  maxPool(name: string, layer: PoolLayer): void;
  /** One value per channel, with extents of 1. */
  globalMaxPool(name: string): void;
  globalAveragePool(name: string): void;
  responseNormalisation(name: string, constants: ResponseNormalisation): void;
  /** Integers [length] to vectors [width, length], from a weight [symbols, width]. */
  embedding(name: string, table: { readonly symbols: number; readonly width: number }): void;
  flatten(name: string): void;
  /** Fully connected, with a bias; the weight has the shape [outputs, inputs]. */
  dense(name: string, outputs: number): void;
  softmax(name: string): void;
  /** The last value plus another; channels of extent 1 are repeated. */
  add(name: string, other: Value): void;
  /** Channels of these values, one after the other. */
  concat(name: string, values: readonly Value[]): void;
  /** The last value. */
  value(): Value;
  /** Makes a kept value the last one. */
  from(value: Value): void;
  /** The last value is the output. */
  build(): Graph;
}

const OPSET = 13;
const IR_VERSION = 7;
const BATCH = 'batch';
const BOUNDS = { zero: 0, six: 6 } as const;

const int = (value: number): Attribute => ({ kind: 'int', value });
const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
const float = (value: number): Attribute => ({ kind: 'float', value: Math.fround(value) });

/** @param input name, shape and type (float32 unless told) of the input. */
export function graphBuilder(
  name: string,
  input: { readonly name: string; readonly dims: OpenShape; readonly type?: DataType },
): GraphBuilder {
  const nodes: Node[] = [];
  const weights = new Map<string, Weight>();
  const constants = new Map<string, Tensor>();
  let blobBytes = 0;
  let value = input.name;
  let shape: OpenShape = input.dims;

  const addWeight = (weight: string, dims: Shape): string => {
    const offset = Math.ceil(blobBytes / WEIGHT_ALIGNMENT_BYTES) * WEIGHT_ALIGNMENT_BYTES;
    weights.set(weight, { type: 'float32', shape: dims, offset });
    blobBytes = offset + byteLength('float32', dims);
    return weight;
  };
  const addConstant = (constant: keyof typeof BOUNDS): string => {
    constants.set(constant, fromFloat32([], [BOUNDS[constant]]));
    return constant;
  };
  const addNode = (
    layer: string,
    op: string,
    outputShape: OpenShape,
    attributes: Readonly<Record<string, Attribute>> = {},
    parameters: readonly string[] = [],
    inputs: readonly string[] = [value],
  ): void => {
    const all = [...inputs, ...parameters];
    nodes.push({ name: layer, op, domain: '', inputs: all, outputs: [layer], attributes, captures: [] });
    value = layer;
    shape = outputShape;
  };
  const channels = (): number => known(shape[0]);
  const spatial = (extent: number): number[] => shape.slice(1).map(() => extent);
  const window = ({ kernel, stride, dilation = 1, padding = 0 }: PoolLayer & { readonly dilation?: number }) => {
    const { before, after } = typeof padding === 'number' ? { before: padding, after: padding } : padding;
    const reach = (kernel - 1) * dilation;
    return {
      pads: [...spatial(before), ...spatial(after)],
      slid: shape.slice(1).map((extent) => {
        if (typeof extent === 'number') return Math.floor((extent + before + after - reach - 1) / stride) + 1;
        if (stride === 1 && before + after === reach) return extent;
        throw new RangeError(`a layer of ${name} would change the open extent "${extent}"`);
      }),
    };
  };

  return {
    convolution: (layer, { outputs, kernel, stride = 1, dilation = 1, padding = 0, groups = 1, hasBias = true }) => {
      const { pads, slid } = window({ kernel, stride, dilation, padding });
      const parameters = [addWeight(`${layer}.weight`, [outputs, channels() / groups, ...spatial(kernel)])];
      if (hasBias) parameters.push(addWeight(`${layer}.bias`, [outputs]));
      const attributes = {
        kernel_shape: ints(spatial(kernel)),
        strides: ints(spatial(stride)),
        pads: ints(pads),
        group: int(groups),
        ...(dilation === 1 ? {} : { dilations: ints(spatial(dilation)) }),
      };
      addNode(layer, 'Conv', [outputs, ...slid], attributes, parameters);
    },
    batchNormalisation: (layer) => {
      const parameters = ['scale', 'bias', 'mean', 'variance'].map((part) =>
        addWeight(`${layer}.${part}`, [channels()]),
      );
      addNode(layer, 'BatchNormalization', shape, { epsilon: float(1e-5) }, parameters);
    },
    relu: (layer) => addNode(layer, 'Relu', shape),
    relu6: (layer) => addNode(layer, 'Clip', shape, {}, [addConstant('zero'), addConstant('six')]),
    leakyRelu: (layer, slope) => addNode(layer, 'LeakyRelu', shape, { alpha: float(slope) }),
    maxPool: (layer, pool) => {
      const { pads, slid } = window(pool);
      const attributes = {
        kernel_shape: ints(spatial(pool.kernel)),
        strides: ints(spatial(pool.stride)),
        ...(pool.padding === undefined ? {} : { pads: ints(pads) }),
      };
      addNode(layer, 'MaxPool', [channels(), ...slid], attributes);
    },
    globalMaxPool: (layer) => addNode(layer, 'GlobalMaxPool', [channels(), ...spatial(1)]),
    globalAveragePool: (layer) => addNode(layer, 'GlobalAveragePool', [channels(), ...spatial(1)]),
    responseNormalisation: (layer, { size, alpha, beta, bias }) => {
      addNode(layer, 'LRN', shape, { size: int(size), alpha: float(alpha), beta: float(beta), bias: float(bias) });
    },
    embedding: (layer, { symbols, width }) => {
      const table = addWeight(`${layer}.weight`, [symbols, width]);
      const length = shape[0]!;
      addNode(`${layer}_rows`, 'Gather', [length, width], { axis: int(0) }, [], [table, value]);
      addNode(layer, 'Transpose', [width, length], { perm: ints([0, 2, 1]) });
    },
    flatten: (layer) => addNode(layer, 'Flatten', [elementCount(shape.map(known))], { axis: int(1) }),
    dense: (layer, outputs) => {
      const weight = addWeight(`${layer}.weight`, [outputs, channels()]);
      const bias = addWeight(`${layer}.bias`, [outputs]);
      addNode(layer, 'Gemm', [outputs], { transB: int(1) }, [weight, bias]);
    },
    softmax: (layer) => addNode(layer, 'Softmax', shape, { axis: int(-1) }),
    add: (layer, other) => addNode(layer, 'Add', shape, {}, [other.name]),
    concat: (layer, values) => {
      const joined = values.reduce((sum, part) => sum + known(part.shape[0]), 0);
      const inputs = values.map((part) => part.name);
      addNode(layer, 'Concat', [joined, ...values[0]!.shape.slice(1)], { axis: int(1) }, [], inputs);
    },
    value: () => ({ name: value, shape }),
    from: (kept) => {
      value = kept.name;
      shape = kept.shape;
    },
    build: () => ({
      name,
      irVersion: IR_VERSION,
      opsets: { '': OPSET },
      inputs: [{ name: input.name, type: input.type ?? 'float32', dims: [BATCH, ...input.dims] }],
      outputs: [{ name: value, type: 'float32', dims: [BATCH, ...shape] }],
      nodes,
      constants,
      weights,
    }),
  };
}

function known(extent: number | string | undefined): number {
  if (typeof extent === 'number') return extent;
  throw new RangeError(`a layer needs to know the extent "${extent ?? ''}"`);
}
