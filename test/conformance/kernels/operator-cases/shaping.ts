/** Operators that move elements. */
import { extent, featureMap, seed, shape, withAxes, type Cases } from './drawing.ts';
import { float, int, ints, randomTensor, text } from '../programs.ts';
import { fromFloat32, fromInt64 } from '../../../../src/core/tensor/tensor.ts';
import fc from 'fast-check';

export const concat: Cases = fc
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

export const reshape: Cases = fc
  .record({
    shape: fc.tuple(extent(4), extent(4), extent(4)),
    seed,
    to: fc.constantFrom([0, -1], [-1], [0, 0, -1], [1, -1, 1]),
  })
  .map((drawn) => ({
    inputs: [randomTensor(drawn.shape, drawn.seed)],
    constants: [fromInt64([drawn.to.length], drawn.to)],
  }));

export const squeeze: Cases = fc
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

export const unsqueeze: Cases = fc
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

export const transpose: Cases = fc
  .record({
    shape: fc.tuple(extent(4), extent(4), extent(4)),
    seed,
    perm: fc.constantFrom(undefined, [0, 2, 1], [2, 0, 1], [1, 2, 0]),
  })
  .map(({ shape: drawn, seed: s, perm }) => ({
    inputs: [randomTensor(drawn, s)],
    ...(perm === undefined ? {} : { attributes: { perm: ints(perm) } }),
  }));

export const pad: Cases = fc
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

export const resize: Cases = fc
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

export const upsample: Cases = featureMap.map(({ shape: drawn, seed: s }) => ({
  inputs: [randomTensor(drawn, s)],
  constants: [fromFloat32([4], [1, 1, 2, 3])],
  attributes: { mode: text('nearest') },
  opset: 9,
}));

export const mapOnly: Cases = featureMap.map(({ shape: drawn, seed: s }) => ({ inputs: [randomTensor(drawn, s)] }));

export const flatten: Cases = fc.record({ map: featureMap, axis: fc.nat(4) }).map(({ map, axis }) => ({
  inputs: [randomTensor(map.shape, map.seed)],
  attributes: { axis: int(axis) },
}));

export const constant: Cases = fc.record({ shape, seed }).map((drawn) => ({
  inputs: [],
  attributes: { value: { kind: 'tensor', value: randomTensor(drawn.shape, drawn.seed) } },
}));

export const gather: Cases = fc
  .record({
    map: featureMap,
    axis: fc.nat(3),
    picks: fc.array(fc.nat(99), { minLength: 1, maxLength: 6 }),
    isMatrix: fc.boolean(),
  })
  .map(({ map, axis, picks, isMatrix }) => {
    const size = map.shape[axis]!;
    // Half of them counted from the end.
    const indices = picks.map((pick) => (pick % (2 * size)) - size);
    return {
      inputs: [randomTensor(map.shape, map.seed)],
      constants: [fromInt64(isMatrix ? [1, indices.length] : [indices.length], indices)],
      attributes: { axis: int(axis) },
    };
  });
