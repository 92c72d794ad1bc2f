/** Convolutions and pools of one or two axes. */
import { extent, positive, seed, type Cases } from './drawing.ts';
import { int, ints, randomTensor, text } from '../programs.ts';
import { WINOGRAD_DOMAIN } from '../../../../src/core/ops/winograd-conv.ts';
import type { Attribute } from '../../../../src/core/graph/graph.ts';
import fc, { type Arbitrary } from 'fast-check';

export interface Spatial {
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
export const spatial = (maxDilation = 2): Arbitrary<Spatial> =>
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

export const windowAttributes = (
  { kernel, strides, dilations, pads }: Spatial,
  isDilated = true,
): Record<string, Attribute> => ({
  kernel_shape: ints(kernel),
  strides: ints(strides),
  pads: ints(pads),
  ...(isDilated ? { dilations: ints(dilations) } : {}),
});

export const autoPads = fc.constantFrom(undefined, 'SAME_UPPER', 'SAME_LOWER', 'VALID');

export const convolution: Cases = fc
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

/** By minimal filtering: filters of 3x3, any padding, maps of any number of tiles and parts of them; normalised or not. */
export const filteredConvolution: Cases = fc
  .record({
    extents: fc.tuple(extent(12, 3), extent(12, 3)),
    input: extent(5),
    output: extent(5),
    pads: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
    bias: fc.boolean(),
    epsilon: fc.option(fc.constantFrom(1e-5, 1e-2), { nil: undefined }),
    seed,
  })
  .map(({ extents, input, output, pads, bias, epsilon, seed: s }) => {
    const values = (own: number) => randomTensor([output], s + own);
    const factors = epsilon === undefined ? [] : [values(3), values(4), values(5), positive(values(6))];
    return {
      domain: WINOGRAD_DOMAIN,
      inputs: [randomTensor([1, input, ...extents], s)],
      constants: [
        randomTensor([output, input, 3, 3], s + 1),
        ...(bias || epsilon !== undefined ? [values(2)] : []),
        ...factors,
      ],
      attributes: {
        pads: ints(pads),
        ragged: int(1),
        ...(epsilon === undefined ? {} : { epsilon: { kind: 'float', value: epsilon } as const }),
      },
    };
  });

export const transposedConvolution: Cases = fc
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

export const pool = (
  extra: Arbitrary<Readonly<Record<string, Attribute>>>,
  maxDilation: number,
  opset: number,
): Cases =>
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
