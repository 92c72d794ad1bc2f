/** Convolutions and pools in one, two and three dimensions, with every attribute. */
import type { Draft, Value } from '../draft.ts';
import { wholeNumbers } from '../draft.ts';
import { float, int, ints, isFloat, text, type Attributes, type Maker } from './maker.ts';

interface Area {
  readonly kernel: number[];
  readonly strides: number[];
  readonly dilations: number[];
  readonly pads: number[];
  readonly autoPad: string | undefined;
}

function areaOf(draft: Draft, value: Value, maxDilation: number): Area {
  const { random } = draft;
  const spatial = value.shape.slice(2);
  const autoPad = random.chance(0.2) ? random.pick(['SAME_UPPER', 'SAME_LOWER', 'VALID']) : undefined;
  const kernel = spatial.map((extent) => random.integer(1, Math.min(extent, 4)));
  const isAuto = autoPad?.startsWith('SAME') === true;
  const dilations = spatial.map(() => (isAuto ? 1 : random.integer(1, maxDilation)));
  const strides = spatial.map((_, axis) => random.integer(1, isAuto ? Math.min(3, kernel[axis]!) : 3));
  const pads = [...kernel, ...kernel].map((size) => random.integer(0, size - 1));
  return { kernel, strides, dilations, pads, autoPad };
}

const attributesOf = (area: Area, hasDilation = true): Attributes => ({
  kernel_shape: ints(...area.kernel),
  strides: ints(...area.strides),
  dilations: hasDilation ? ints(...area.dilations) : undefined,
  ...(area.autoPad === undefined ? { pads: ints(...area.pads) } : { auto_pad: text(area.autoPad) }),
});

const hasArea = (value: Value): boolean => value.shape.length >= 3 && value.shape.length <= 5;

const conv: Maker = (draft, value) => {
  if (!isFloat(value) || !hasArea(value)) return false;
  const { random } = draft;
  const area = areaOf(draft, value, 2);
  // Padding as wide as the kernel and wider is allowed here.
  const pads = random.chance(0.15) ? area.pads.map((own) => own + 1) : area.pads;
  const channels = value.shape[1]!;
  const divisors = Array.from({ length: channels }, (_, index) => index + 1).filter((own) => channels % own === 0);
  const group = random.chance(0.4) ? random.pick(divisors) : 1;
  const outputs = group * random.integer(1, 3);
  const spread = 1 / Math.sqrt((channels / group) * area.kernel.reduce((a, b) => a * b, 1));
  const weight = draft.numbers([outputs, channels / group, ...area.kernel], -spread, spread);
  const bias = random.chance(0.6) ? [draft.numbers([outputs])] : [];
  const attributes = { ...attributesOf({ ...area, pads }), group: int(group) };
  return draft.add('Conv', [value, weight, ...bias], attributes);
};

const convTranspose: Maker = (draft, value) => {
  // The runtime has no transposed convolution of volumes with groups and dilations in every version.
  if (!isFloat(value) || !hasArea(value) || value.shape.length === 5) return false;
  const { random } = draft;
  const area = areaOf(draft, value, 2);
  const channels = value.shape[1]!;
  const group = random.chance(0.4) ? random.pick([1, channels]) : 1;
  const outputs = random.integer(1, 3);
  const weight = draft.numbers([channels, outputs, ...area.kernel], -0.5, 0.5);
  const bias = random.chance(0.5) ? [draft.numbers([group * outputs])] : [];
  const outputPadding = area.strides.map((stride) => random.integer(0, stride - 1));
  const full = area.kernel.map(
    (size, axis) => (value.shape[axis + 2]! - 1) * area.strides[axis]! + (size - 1) * area.dilations[axis]! + 1,
  );
  const isShaped = area.autoPad === undefined && random.chance(0.2);
  const wanted = full.map((extent) => Math.max(1, extent - random.integer(-1, 2)));
  return draft.add('ConvTranspose', [value, weight, ...bias], {
    ...attributesOf(area),
    ...(isShaped ? { output_shape: ints(...wanted), pads: undefined } : {}),
    ...(area.autoPad === undefined && !isShaped ? { output_padding: ints(...outputPadding) } : {}),
    group: int(group),
  });
};

const ceilFrom = (draft: Draft, opset: number): Attributes =>
  draft.opset >= opset && draft.random.chance(0.4) ? { ceil_mode: int(1) } : {};

const maxPool: Maker = (draft, value) => {
  if (!isFloat(value) || !hasArea(value)) return false;
  const area = areaOf(draft, value, draft.opset >= 10 ? 2 : 1);
  const hasIndices = draft.opset >= 8 && draft.random.chance(0.1);
  const attributes = { ...attributesOf(area, draft.opset >= 10), ...(area.autoPad ? {} : ceilFrom(draft, 10)) };
  if (!draft.add('MaxPool', [value], attributes, hasIndices ? 2 : 1)) return false;
  // The runtime may quantise before it pools, after which the largest is no longer the only one.
  if (hasIndices) draft.retire(draft.values.at(-2)!);
  return true;
};

const averagePool: Maker = (draft, value) => {
  if (!isFloat(value) || !hasArea(value)) return false;
  const area = areaOf(draft, value, draft.opset >= 19 ? 2 : 1);
  return draft.add('AveragePool', [value], {
    ...attributesOf(area, draft.opset >= 19),
    ...(area.autoPad ? {} : ceilFrom(draft, 10)),
    count_include_pad: int(draft.random.integer(0, 1)),
  });
};

const lpPool: Maker = (draft, value) => {
  if (!isFloat(value) || !hasArea(value)) return false;
  const area = areaOf(draft, value, draft.opset >= 18 ? 2 : 1);
  return draft.add('LpPool', [value], { ...attributesOf(area, draft.opset >= 18), p: int(draft.random.integer(1, 2)) });
};

const lrn: Maker = (draft, value) =>
  isFloat(value) &&
  value.shape.length === 4 &&
  draft.add('LRN', [value], { size: int(draft.random.pick([1, 3, 5])), alpha: float(0.1), bias: float(1) });

const globalPool: Maker = (draft, value) =>
  isFloat(value) &&
  hasArea(value) &&
  draft.add(draft.random.pick(['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool']), [value]);

/** A quantised convolution of quantised input, with scales for all or for each channel. */
const quantizedConv: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length !== 4 || draft.opset < 10 || draft.isQuantized) return false;
  const { random } = draft;
  const area = areaOf(draft, value, 2);
  const channels = value.shape[1]!;
  const outputs = random.integer(1, 4);
  const zero = draft.constant(wholeNumbers('uint8', [], random.integer(0, 2 ** 30), 100, 140));
  if (!draft.add('QuantizeLinear', [value, draft.scalar('float32', 0.05), zero])) return false;
  const data = draft.values.at(-1)!;
  const shape = [outputs, channels, ...area.kernel];
  const weight = draft.constant(wholeNumbers('int8', shape, random.integer(0, 2 ** 30), -100, 100));
  const attributes = attributesOf(area);
  if (random.chance(0.3)) {
    const unsigned = draft.constant(wholeNumbers('uint8', shape, random.integer(0, 2 ** 30), 0, 200));
    return draft.add('ConvInteger', [data, unsigned, zero], attributes);
  }
  const isPerChannel = random.chance(0.5);
  const weightScale = isPerChannel ? draft.numbers([outputs], 0.01, 0.1) : draft.scalar('float32', 0.05);
  const weightZero = draft.constant(wholeNumbers('int8', isPerChannel ? [outputs] : [], 1, 0, 0));
  const bias = random.chance(0.5) ? [draft.constant(wholeNumbers('int32', [outputs], 7, -500, 500))] : [];
  const scale = draft.scalar('float32', 0.05);
  const result = [draft.scalar('float32', 0.1), zero];
  return draft.add('QLinearConv', [data, scale, zero, weight, weightScale, weightZero, ...result, ...bias], attributes);
};

export const WINDOWS: Readonly<Record<string, Maker>> = {
  conv,
  convTranspose,
  maxPool,
  averagePool,
  lpPool,
  lrn,
  globalPool,
  quantizedConv,
};
