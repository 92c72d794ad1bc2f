/** For every operator of the reference kernel, how to draw inputs and attributes that ONNX allows. */
import fc, { type Arbitrary } from 'fast-check';
import type { Attribute } from '../../../src/core/graph/graph.ts';
import { fromFloat32, fromInt64, type Shape, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { float, int, ints, numbers, randomTensor, text } from './programs.ts';

export interface OperatorCase {
  readonly op: string;
  readonly label?: string;
  readonly inputs: readonly Tensor[];
  /** Further inputs, which the program carries. */
  readonly constants?: readonly Tensor[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly opset?: number;
}

type Case = Omit<OperatorCase, 'op'>;
type Cases = Arbitrary<Case>;

const extent = (max: number, min = 1): Arbitrary<number> => fc.integer({ min, max });
const seed = fc.nat(1e6);
const shape = fc.array(extent(5), { minLength: 1, maxLength: 4 });

const positive = (source: Tensor): Tensor =>
  fromFloat32(
    source.shape,
    numbers(source.bytes.byteLength / 4, source.bytes.byteLength).map((value) => Math.abs(value) + 0.1),
  );

/** One input of any shape, its elements times `scale`. */
const unary = (attributes: Arbitrary<Readonly<Record<string, Attribute>>> = fc.constant({}), scale = 4): Cases =>
  fc.record({ shape, seed, attributes }).map((drawn) => ({
    inputs: [
      fromFloat32(
        drawn.shape,
        numbers(
          drawn.shape.reduce((a, b) => a * b),
          drawn.seed,
        ).map((value) => value * scale),
      ),
    ],
    attributes: drawn.attributes,
  }));

const unaryPositive: Cases = fc.record({ shape, seed }).map((drawn) => ({
  inputs: [positive(randomTensor(drawn.shape, drawn.seed))],
}));

/** Two inputs, one of them broadcast along some axes. */
const binary = (prepare: (tensor: Tensor) => Tensor = (tensor) => tensor): Cases =>
  fc
    .record({
      shape,
      seed,
      flat: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      drop: fc.nat(3),
      swap: fc.boolean(),
    })
    .map((drawn) => {
      const other = drawn.shape.map((size, axis) => (drawn.flat[axis] === true ? 1 : size)).slice(drawn.drop);
      const both = [randomTensor(drawn.shape, drawn.seed), randomTensor(other, drawn.seed + 1)].map(prepare);
      return { inputs: drawn.swap ? both.reverse() : both };
    });

interface Spatial {
  readonly extents: number[];
  readonly kernel: number[];
  readonly strides: number[];
  readonly dilations: number[];
  readonly pads: number[];
}

/**
 * One or two axes whose padded extents hold the dilated kernel; padding smaller than the kernel, as pools want it, and no
 * window that sees nothing but padding.
 */
const spatial = (maxDilation = 2): Arbitrary<Spatial> =>
  fc
    .array(
      fc
        .record({
          kernel: extent(4),
          stride: extent(3),
          dilation: extent(maxDilation),
          begin: fc.nat(3),
          end: fc.nat(3),
          more: fc.nat(7),
        })
        .map((axis) => {
          const reach = (axis.kernel - 1) * axis.dilation + 1;
          const begin = Math.min(axis.begin, axis.kernel - 1);
          const end = Math.min(axis.end, axis.kernel - 1);
          return { ...axis, begin, end, extent: Math.max(reach - begin - end, axis.dilation) + axis.more };
        }),
      { minLength: 1, maxLength: 2 },
    )
    .map((axes) => ({
      extents: axes.map((axis) => axis.extent),
      kernel: axes.map((axis) => axis.kernel),
      strides: axes.map((axis) => axis.stride),
      dilations: axes.map((axis) => axis.dilation),
      pads: [...axes.map((axis) => axis.begin), ...axes.map((axis) => axis.end)],
    }));

const windowAttributes = (
  { kernel, strides, dilations, pads }: Spatial,
  isDilated = true,
): Record<string, Attribute> => ({
  kernel_shape: ints(kernel),
  strides: ints(strides),
  pads: ints(pads),
  ...(isDilated ? { dilations: ints(dilations) } : {}),
});

const autoPads = fc.constantFrom(undefined, 'SAME_UPPER', 'SAME_LOWER', 'VALID');

const convolution: Cases = fc
  .record({
    area: spatial(),
    batch: extent(2),
    groups: extent(3),
    input: extent(3),
    output: extent(3),
    bias: fc.boolean(),
    seed,
    autoPad: autoPads,
  })
  .map(({ area, batch, groups, input, output, bias, seed: s, autoPad }) => {
    const extents = area.extents.map((size, axis) => size + area.pads[axis]! + area.pads[axis + area.kernel.length]!);
    const attributes = windowAttributes(area);
    delete attributes.pads;
    return {
      inputs: [randomTensor([batch, groups * input, ...(autoPad === undefined ? area.extents : extents)], s)],
      constants: [
        randomTensor([groups * output, input, ...area.kernel], s + 1),
        ...(bias ? [randomTensor([groups * output], s + 2)] : []),
      ],
      attributes: {
        ...attributes,
        group: int(groups),
        // The runtime supports automatic padding of undilated kernels only.
        ...(autoPad === undefined
          ? { pads: ints(area.pads) }
          : { auto_pad: text(autoPad), dilations: ints(area.kernel.map(() => 1)) }),
      },
    };
  });

const transposedConvolution: Cases = fc
  .record({
    area: spatial(1),
    batch: extent(2),
    groups: extent(2),
    input: extent(3),
    output: extent(3),
    bias: fc.boolean(),
    seed,
    outputPadding: fc.nat(1),
  })
  .map(({ area, batch, groups, input, output, bias, seed: s, outputPadding }) => ({
    inputs: [randomTensor([batch, groups * input, ...area.extents.map((size) => size + 3)], s)],
    constants: [
      randomTensor([groups * input, output, ...area.kernel], s + 1),
      ...(bias ? [randomTensor([groups * output], s + 2)] : []),
    ],
    attributes: {
      ...windowAttributes(area),
      group: int(groups),
      output_padding: ints(area.strides.map((stride) => Math.min(outputPadding, stride - 1))),
    },
  }));

const pool = (extra: Arbitrary<Readonly<Record<string, Attribute>>>, maxDilation: number, opset: number): Cases =>
  fc
    .record({
      area: spatial(maxDilation),
      batch: extent(2),
      channels: extent(3),
      ceil: fc.boolean(),
      extra,
      seed,
      autoPad: autoPads,
    })
    // Automatic padding of strides beyond the kernel comes out negative in the runtime's pools, which it then refuses.
    .filter(
      ({ area, autoPad }) =>
        autoPad === undefined || area.strides.every((stride, axis) => stride <= area.kernel[axis]!),
    )
    .map(({ area, batch, channels, ceil, extra: more, seed: s, autoPad }) => {
      const attributes = windowAttributes(area, maxDilation > 1 && autoPad === undefined);
      if (autoPad !== undefined) delete attributes.pads;
      const extents = area.extents.map((size, axis) => size + area.kernel[axis]!);
      return {
        inputs: [randomTensor([batch, channels, ...(autoPad === undefined ? area.extents : extents)], s)],
        attributes: {
          ...attributes,
          ...more,
          ...(autoPad === undefined ? { ceil_mode: int(ceil ? 1 : 0) } : { auto_pad: text(autoPad) }),
        },
        opset,
      };
    });

const featureMap = fc.record({ shape: fc.tuple(extent(2), extent(4), extent(5), extent(5)), seed });

const batchNormalization: Cases = fc
  .record({ map: featureMap, epsilon: fc.constantFrom(1e-5, 1e-3) })
  .map(({ map, epsilon }) => {
    const channels = [map.shape[1]];
    return {
      inputs: [randomTensor(map.shape, map.seed)],
      constants: [1, 2, 3, 4].map((step) =>
        step === 4 ? positive(randomTensor(channels, map.seed + step)) : randomTensor(channels, map.seed + step),
      ),
      attributes: { epsilon: float(epsilon) },
    };
  });

const localResponse: Cases = fc
  .record({
    map: featureMap,
    size: fc.constantFrom(1, 3, 5),
    alpha: fc.constantFrom(1e-4, 0.5),
    bias: fc.constantFrom(1, 2),
  })
  .map(({ map, size, alpha, bias }) => ({
    inputs: [randomTensor(map.shape, map.seed)],
    attributes: { size: int(size), alpha: float(alpha), beta: float(0.75), bias: float(bias) },
  }));

const gemm: Cases = fc
  .record({
    m: extent(5),
    k: extent(9),
    n: extent(7),
    transA: fc.boolean(),
    transB: fc.boolean(),
    alpha: fc.constantFrom(1, 0.5),
    beta: fc.constantFrom(1, 2),
    c: fc.constantFrom('none', 'row', 'column', 'full'),
    seed,
  })
  .map(({ m, k, n, transA, transB, alpha, beta, c, seed: s }) => {
    const bias: Readonly<Record<typeof c, Shape | undefined>> = {
      none: undefined,
      row: [n],
      column: [m, 1],
      full: [m, n],
    };
    const biasShape = bias[c];
    return {
      inputs: [randomTensor(transA ? [k, m] : [m, k], s)],
      constants: [
        randomTensor(transB ? [n, k] : [k, n], s + 1),
        ...(biasShape === undefined ? [] : [randomTensor(biasShape, s + 2)]),
      ],
      attributes: { transA: int(transA ? 1 : 0), transB: int(transB ? 1 : 0), alpha: float(alpha), beta: float(beta) },
    };
  });

const matMul: Cases = fc
  .record({
    m: extent(4),
    k: extent(6),
    n: extent(4),
    batch: fc.array(extent(3), { maxLength: 2 }),
    kind: fc.constantFrom('same', 'one', 'vector'),
    seed,
  })
  .map(({ m, k, n, batch, kind, seed: s }) => ({
    inputs: [
      randomTensor([...batch, m, k], s),
      randomTensor(kind === 'vector' ? [k] : kind === 'one' ? [k, n] : [...batch, k, n], s + 1),
    ],
  }));

const softmax: Cases = fc
  .record({
    shape: fc.array(extent(5), { minLength: 2, maxLength: 4 }),
    seed,
    axis: fc.nat(3),
    opset: fc.constantFrom(9, 11, 13),
  })
  .map((drawn) => ({
    inputs: [randomTensor(drawn.shape, drawn.seed)],
    attributes: { axis: int(drawn.axis % drawn.shape.length) },
    opset: drawn.opset,
  }));

const concat: Cases = fc
  .record({ shape, seed, axis: fc.nat(3), sizes: fc.array(extent(3), { minLength: 1, maxLength: 3 }) })
  .map((drawn) => {
    const axis = drawn.axis % drawn.shape.length;
    return {
      inputs: drawn.sizes.map((size, index) =>
        randomTensor(
          drawn.shape.map((old, position) => (position === axis ? size : old)),
          drawn.seed + index,
        ),
      ),
      attributes: { axis: int(axis) },
    };
  });

const reshape: Cases = fc
  .record({
    shape: fc.tuple(extent(4), extent(4), extent(4)),
    seed,
    to: fc.constantFrom([0, -1], [-1], [0, 0, -1], [1, -1, 1]),
  })
  .map((drawn) => ({
    inputs: [randomTensor(drawn.shape, drawn.seed)],
    constants: [fromInt64([drawn.to.length], drawn.to)],
  }));

/** Axes as an attribute in older operator sets, as an input in newer ones. */
const withAxes = (
  axes: readonly number[],
  opset: number,
  firstWithInput: number,
): Pick<Case, 'constants' | 'attributes'> =>
  opset < firstWithInput ? { attributes: { axes: ints(axes) } } : { constants: [fromInt64([axes.length], axes)] };

const squeeze: Cases = fc
  .record({
    sizes: fc.tuple(extent(4), extent(4)),
    seed,
    axes: fc.constantFrom([0], [2], [0, 2], [-2]),
    opset: fc.constantFrom(9, 11, 13),
  })
  .filter(({ axes, opset }) => opset >= 11 || axes.every((axis) => axis >= 0))
  .map(({ sizes: [a, b], seed: s, axes, opset }) => ({
    inputs: [randomTensor([1, a, 1, b], s)],
    ...withAxes(axes, opset, 13),
    opset,
  }));

const unsqueeze: Cases = fc
  .record({
    sizes: fc.tuple(extent(4), extent(4)),
    seed,
    axes: fc.constantFrom([0], [2], [0, 3], [1, 2], [-1]),
    opset: fc.constantFrom(9, 11, 13),
  })
  .filter(({ axes, opset }) => opset >= 11 || axes.every((axis) => axis >= 0))
  .map(({ sizes, seed: s, axes, opset }) => ({
    inputs: [randomTensor(sizes, s)],
    ...withAxes(axes, opset, 13),
    opset,
  }));

const transpose: Cases = fc
  .record({
    shape: fc.tuple(extent(4), extent(4), extent(4)),
    seed,
    perm: fc.constantFrom(undefined, [0, 2, 1], [2, 0, 1], [1, 2, 0]),
  })
  .map(({ shape: drawn, seed: s, perm }) => ({
    inputs: [randomTensor(drawn, s)],
    ...(perm === undefined ? {} : { attributes: { perm: ints(perm) } }),
  }));

const pad: Cases = fc
  .record({
    shape: fc.tuple(extent(3, 1), extent(5, 3), extent(5, 3)),
    seed,
    pads: fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 4, maxLength: 4 }),
    fill: fc.constantFrom(0, 7),
    opset: fc.constantFrom(9, 11, 18),
  })
  .map(({ shape: drawn, seed: s, pads, fill, opset }) => {
    const amounts = [0, pads[0]!, pads[1]!, 0, pads[2]!, pads[3]!];
    return {
      inputs: [randomTensor(drawn, s)],
      ...(opset < 11
        ? { attributes: { pads: ints(amounts), value: float(fill) } }
        : { constants: [fromInt64([6], amounts), fromFloat32([], [fill])] }),
      opset,
    };
  });

const reduction = (firstWithInput: number): Cases =>
  fc
    .record({
      shape: fc.tuple(extent(3), extent(4), extent(4)),
      seed,
      axes: fc.constantFrom([0], [1, 2], [-1], [0, 2]),
      keep: fc.boolean(),
      opset: fc.constantFrom(11, 13, 18),
    })
    .map(({ shape: drawn, seed: s, axes, keep, opset }) => {
      const parts = withAxes(axes, opset, firstWithInput);
      return {
        ...parts,
        inputs: [randomTensor(drawn, s)],
        attributes: { ...parts.attributes, keepdims: int(keep ? 1 : 0) },
        opset,
      };
    });

const resize: Cases = fc
  .record({
    map: featureMap,
    factor: fc.constantFrom(2, 3, 0.5),
    coordinates: fc.constantFrom('asymmetric', 'half_pixel', 'align_corners', 'pytorch_half_pixel'),
    rounding: fc.constantFrom('round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'),
    opset: fc.constantFrom(10, 11, 13),
  })
  .map(
    ({
      map: {
        shape: [n, c, h, w],
        seed: s,
      },
      factor,
      coordinates,
      rounding,
      opset,
    }) => {
      const scales = fromFloat32([4], [1, 1, factor, factor]);
      return {
        inputs: [randomTensor([n, c, 2 * h, 2 * w], s)],
        constants: opset < 11 ? [scales] : [fromFloat32([0], []), scales],
        attributes: {
          mode: text('nearest'),
          ...(opset < 11 ? {} : { coordinate_transformation_mode: text(coordinates), nearest_mode: text(rounding) }),
        },
        opset,
      };
    },
  );

const upsample: Cases = featureMap.map(({ shape: drawn, seed: s }) => ({
  inputs: [randomTensor(drawn, s)],
  constants: [fromFloat32([4], [1, 1, 2, 3])],
  attributes: { mode: text('nearest') },
  opset: 9,
}));

const mapOnly: Cases = featureMap.map(({ shape: drawn, seed: s }) => ({ inputs: [randomTensor(drawn, s)] }));

const flatten: Cases = fc.record({ map: featureMap, axis: fc.nat(4) }).map(({ map, axis }) => ({
  inputs: [randomTensor(map.shape, map.seed)],
  attributes: { axis: int(axis) },
}));

const constant: Cases = fc.record({ shape, seed }).map((drawn) => ({
  inputs: [],
  attributes: { value: { kind: 'tensor', value: randomTensor(drawn.shape, drawn.seed) } },
}));

const alpha = fc.constantFrom(0.1, 0.3).map((value) => ({ alpha: float(value) }));

export const OPERATOR_CASES: Readonly<Record<string, Cases>> = {
  Add: binary(),
  Sub: binary(),
  Mul: binary(),
  Div: binary(positive),
  Pow: binary(positive),
  Min: binary(),
  Max: binary(),
  Sum: binary(),
  PRelu: fc.record({ map: featureMap }).map(({ map }) => ({
    inputs: [randomTensor(map.shape, map.seed)],
    constants: [randomTensor([map.shape[1], 1, 1], map.seed + 1)],
  })),
  Identity: unary(),
  Dropout: unary(),
  Neg: unary(),
  Abs: unary(),
  Sqrt: unaryPositive,
  Exp: unary(),
  Log: unaryPositive,
  Tanh: unary(),
  Erf: unary(),
  Relu: unary(),
  Sigmoid: unary(),
  Softplus: unary(),
  LeakyRelu: unary(alpha),
  Elu: unary(alpha),
  HardSigmoid: unary(alpha),
  HardSwish: fc.tuple(unary(), fc.constant(14)).map(([drawn, opset]) => ({ ...drawn, opset })),
  Clip: fc.oneof(
    unary(fc.constant({ min: float(-0.5), max: float(1) })).map((drawn) => ({ ...drawn, opset: 9 })),
    unary().map((drawn) => ({ ...drawn, constants: [fromFloat32([], [-0.5]), fromFloat32([], [1])] })),
  ),
  AveragePool: pool(
    fc.boolean().map((counts) => ({ count_include_pad: int(counts ? 1 : 0) })),
    2,
    19,
  ),
  BatchNormalization: batchNormalization,
  Cast: unary(fc.constant({ to: int(7) })),
  Concat: concat,
  Constant: constant,
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  Flatten: flatten,
  Gemm: gemm,
  GlobalAveragePool: mapOnly,
  GlobalMaxPool: mapOnly,
  LRN: localResponse,
  MatMul: matMul,
  MaxPool: pool(fc.constant({}), 2, 12),
  Pad: pad,
  ReduceMax: reduction(18),
  ReduceMean: reduction(18),
  ReduceSum: reduction(13),
  Reshape: reshape,
  Resize: resize,
  Softmax: softmax,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Upsample: upsample,
};
