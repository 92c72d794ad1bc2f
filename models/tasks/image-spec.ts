/** How a picture becomes the input tensor of a network. Plain data, part of a `TaskSpec`. */
import * as v from 'valibot';

/** Longest side of a picture that a network may ask for, in pixels. */
export const MAX_SIDE = 4096;

/** The size in pixels that the network is given. */
export type ImageSize =
  | { readonly kind: 'fixed'; readonly height: number; readonly width: number }
  /** Never enlarged; sides are rounded to a multiple of `multipleOf`, the longer one at most `maxSide`. */
  | { readonly kind: 'limits'; readonly multipleOf: number; readonly maxSide: number }
  /** Lines of text: scaled to `height`, the width follows the picture, between the two limits. */
  | { readonly kind: 'line'; readonly height: number; readonly minWidth: number; readonly maxWidth: number };

/** How a picture becomes the input of a network. */
export interface ImageSpec {
  readonly size: ImageSize;
  readonly channels: 1 | 3;
  /** Order of the colours; without meaning for one channel. */
  readonly order: 'rgb' | 'bgr';
  /** Axes of the tensor, after the batch axis of extent 1. */
  readonly layout: 'chw' | 'hwc';
  /** An element is `(pixel * scale - mean[channel]) / std[channel]`, for pixels from 0 to 255. */
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** stretch: ignore the proportions; cover: cut off what sticks out; contain: fill up with `background`. */
  readonly fit: 'stretch' | 'cover' | 'contain';
  /** Grey level, from 0 to 255, under what is transparent and around what is smaller than the input. */
  readonly background: number;
  /** when-light: pictures on a light ground are turned into their negative, for networks that know white on black. */
  readonly invert: 'never' | 'always' | 'when-light';
  /**
   * The subject is found by its contrast, its bounding box scaled to `side` pixels and its centre of mass put in the
   * middle, as in MNIST. Only for one channel and a fixed size; `invert` decides what counts as ink.
   */
  readonly centre?: { readonly side: number };
}

const side = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_SIDE));
const perChannel = v.pipe(v.array(v.pipe(v.number(), v.finite())), v.minLength(1), v.maxLength(3));

const sizeSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('fixed'), height: side, width: side }),
  v.strictObject({ kind: v.literal('limits'), multipleOf: side, maxSide: side }),
  v.strictObject({ kind: v.literal('line'), height: side, minWidth: side, maxWidth: side }),
]);

export const imageSpecSchema = v.pipe(
  v.strictObject({
    size: sizeSchema,
    channels: v.picklist([1, 3]),
    order: v.picklist(['rgb', 'bgr']),
    layout: v.picklist(['chw', 'hwc']),
    scale: v.pipe(v.number(), v.finite()),
    mean: perChannel,
    std: perChannel,
    fit: v.picklist(['stretch', 'cover', 'contain']),
    background: v.pipe(v.number(), v.minValue(0), v.maxValue(255)),
    invert: v.picklist(['never', 'always', 'when-light']),
    centre: v.exactOptional(v.strictObject({ side })),
  }),
  v.check(
    (spec) => spec.mean.length === spec.channels && spec.std.length === spec.channels,
    'mean and std need one number per channel',
  ),
  v.check((spec) => spec.std.every((value) => value !== 0), 'std must not be zero'),
  v.check(
    (spec) => spec.centre === undefined || (spec.channels === 1 && spec.size.kind === 'fixed'),
    'centre needs one channel and a fixed size',
  ),
  v.check((spec) => spec.size.kind !== 'limits' || spec.size.multipleOf <= spec.size.maxSide, 'maxSide is too small'),
  v.check((spec) => spec.size.kind !== 'line' || spec.size.minWidth <= spec.size.maxWidth, 'maxWidth is too small'),
) satisfies v.GenericSchema<unknown, ImageSpec>;

/** 28x28 grey, white strokes on black, from 0 to 1: what networks trained on MNIST are given. */
export const DIGIT_IMAGE: ImageSpec = {
  size: { kind: 'fixed', height: 28, width: 28 },
  channels: 1,
  order: 'rgb',
  layout: 'chw',
  scale: 1 / 255,
  mean: [0],
  std: [1],
  fit: 'contain',
  background: 255,
  invert: 'when-light',
  centre: { side: 20 },
};

/** RGB scaled to `side` x `side`, with the mean and deviation of ImageNet that most published weights were trained with. */
export const imagenetImage = (size: number): ImageSpec => ({
  size: { kind: 'fixed', height: size, width: size },
  channels: 3,
  order: 'rgb',
  layout: 'chw',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  fit: 'cover',
  background: 255,
  invert: 'never',
});
