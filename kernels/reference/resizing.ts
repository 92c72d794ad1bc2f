/** Resize and Upsample, nearest neighbour only. Source: ONNX operators Upsample-7, Upsample-9, Resize-10, Resize-19. */
import { stringAttribute } from '../../src/core/graph/graph.ts';
import { blank, indicesOf, offsetOf, required, unsupported, value, type Call, type Operator } from './operator.ts';

type Place = (output: number, scale: number, outputExtent: number, inputExtent: number) => number;

const COORDINATES: Readonly<Record<string, Place>> = {
  asymmetric: (output, scale) => output / scale,
  half_pixel: (output, scale) => (output + 0.5) / scale - 0.5,
  pytorch_half_pixel: (output, scale, extent) => (extent > 1 ? (output + 0.5) / scale - 0.5 : 0),
  align_corners: (output, _scale, extent, input) => (extent === 1 ? 0 : (output * (input - 1)) / (extent - 1)),
};

const ROUNDINGS: Readonly<Record<string, (place: number) => number>> = {
  round_prefer_floor: (place) => Math.ceil(place - 0.5),
  round_prefer_ceil: (place) => Math.floor(place + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

function nearest(
  call: Call,
  scales: readonly number[] | undefined,
  sizes: readonly number[] | undefined,
  coordinates: string,
  rounding: string,
): ReturnType<Operator> {
  const x = required(call, 0);
  const mode = stringAttribute(call.node, 'mode', 'nearest');
  const place = COORDINATES[coordinates];
  const round = ROUNDINGS[rounding];
  if (mode !== 'nearest' || place === undefined || round === undefined) {
    throw unsupported(call, `${mode}, ${coordinates}, ${rounding}`);
  }
  const shape = x.shape.map((extent, axis) => sizes?.[axis] ?? Math.floor(extent * (scales?.[axis] ?? 1)));
  const y = blank(shape);
  for (const [position, index] of indicesOf(shape).entries()) {
    const source = index.map((coordinate, axis) => {
      const scale = scales?.[axis] ?? shape[axis]! / x.shape[axis]!;
      const at = round(place(coordinate, scale, shape[axis]!, x.shape[axis]!));
      return Math.min(Math.max(at, 0), x.shape[axis]! - 1);
    });
    y[position] = x.data[offsetOf(source, x.shape)]!;
  }
  return [value(x.type, shape, y)];
}

const numbersAt = (call: Call, position: number): readonly number[] | undefined => {
  const data = call.inputs[position]?.data;
  return data === undefined || data.length === 0 ? undefined : [...data];
};

export const upsample: Operator = (call) => {
  const attribute = call.node.attributes.scales;
  const scales = numbersAt(call, 1) ?? (attribute?.kind === 'floats' ? attribute.value : undefined);
  return nearest(call, scales, undefined, 'asymmetric', 'floor');
};

export const resize: Operator = (call) => {
  if (call.opset < 11) return nearest(call, numbersAt(call, 1), undefined, 'asymmetric', 'floor');
  return nearest(
    call,
    numbersAt(call, 2),
    numbersAt(call, 3),
    stringAttribute(call.node, 'coordinate_transformation_mode', 'half_pixel'),
    stringAttribute(call.node, 'nearest_mode', 'round_prefer_floor'),
  );
};
