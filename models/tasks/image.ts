/** Pictures to tensors: decoded upright, scaled as an `ImageSpec` says, normalised. */
import sharp, { type Sharp } from 'sharp';
import { MeshError } from '../../src/core/errors.ts';
import { fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import { centreInk } from './centre-ink.ts';
import type { ImageSpec } from './image-spec.ts';
import { borderLevel, type Pixels } from './pixels.ts';

/** Pixels of a picture that is decoded at all: 64 megapixels, beyond what cameras of boards and phones give. */
export const MAX_INPUT_PIXELS = 64 * 1024 * 1024;
/** Longest side at which ink is looked for; what it is scaled to is far smaller. */
const INK_SIDE = 512;
/** Seconds one decoding may take. */
const DECODE_SECONDS = 20;
/** Grey level from which a ground is light. */
const LIGHT = 128;

/** How the picture lies in the input of the network: input = picture * scale + offset, in pixels. */
export interface Placement {
  readonly pictureWidth: number;
  readonly pictureHeight: number;
  readonly scaleX: number;
  readonly scaleY: number;
  readonly offsetX: number;
  readonly offsetY: number;
}

export interface PreparedImage {
  /** float32, [1, channels, height, width] or [1, height, width, channels]. */
  readonly tensor: Tensor;
  readonly placement: Placement;
}

/** @throws MeshError INVALID_INPUT for what cannot be decoded or is too large. */
export async function imageTensor(bytes: Uint8Array, spec: ImageSpec): Promise<PreparedImage> {
  try {
    const upright = await uprightSize(bytes);
    const placement = place(upright, spec);
    const isReady = placement.scaleX === 1 && placement.scaleY === 1;
    const pixels =
      spec.centre !== undefined && !isReady
        ? centreInk(
            await decode(bytes, spec, inkPlacement(upright)),
            spec.centre.side,
            targetSize(upright, spec),
            spec.invert,
          )
        : inverted(await decode(bytes, spec, { ...placement, ...targetSize(upright, spec) }), spec.invert);
    return { tensor: normalise(pixels, spec), placement };
  } catch (error) {
    if (error instanceof MeshError) throw error;
    const reason = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
    throw new MeshError('INVALID_INPUT', `the picture cannot be read (${reason}): send a PNG, JPEG or WebP`, {
      cause: error,
    });
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

const open = (bytes: Uint8Array): Sharp =>
  sharp(bytes, { limitInputPixels: MAX_INPUT_PIXELS, failOn: 'error', pages: 1, autoOrient: true });

async function uprightSize(bytes: Uint8Array): Promise<Size> {
  const { autoOrient } = await open(bytes).metadata();
  return autoOrient;
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** Size of the network's input for a picture of this size. */
function targetSize(picture: Size, { size }: ImageSpec): Size {
  switch (size.kind) {
    case 'fixed':
      return { width: size.width, height: size.height };
    case 'limits': {
      const scale = Math.min(1, size.maxSide / Math.max(picture.width, picture.height));
      const most = Math.floor(size.maxSide / size.multipleOf) * size.multipleOf;
      const rounded = (extent: number): number =>
        clamp(Math.round((extent * scale) / size.multipleOf) * size.multipleOf, size.multipleOf, most);
      return { width: rounded(picture.width), height: rounded(picture.height) };
    }
    case 'line': {
      const natural = Math.round((picture.width * size.height) / picture.height);
      return { height: size.height, width: clamp(natural, size.minWidth, size.maxWidth) };
    }
  }
}

function place(picture: Size, spec: ImageSpec): Placement {
  const target = targetSize(picture, spec);
  const stretchX = target.width / picture.width;
  const stretchY = target.height / picture.height;
  const both = { stretch: undefined, cover: Math.max(stretchX, stretchY), contain: Math.min(stretchX, stretchY) };
  const scale = both[spec.fit];
  return placed(picture, target, scale ?? stretchX, scale ?? stretchY);
}

/** Scaled, to whole pixels, and in the middle of the target. */
function placed(picture: Size, target: Size, scaleX: number, scaleY: number): Placement {
  const width = Math.max(1, Math.round(picture.width * scaleX));
  const height = Math.max(1, Math.round(picture.height * scaleY));
  return {
    pictureWidth: picture.width,
    pictureHeight: picture.height,
    scaleX: width / picture.width,
    scaleY: height / picture.height,
    offsetX: Math.floor((target.width - width) / 2),
    offsetY: Math.floor((target.height - height) / 2),
  };
}

function inkPlacement(picture: Size): Placement & Size {
  const scale = Math.min(1, INK_SIDE / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  return { ...placed(picture, { width, height }, scale, scale), width, height };
}

async function decode(bytes: Uint8Array, spec: ImageSpec, at: Placement & Size): Promise<Pixels> {
  const background = { r: spec.background, g: spec.background, b: spec.background };
  const shown = shownPart(at);
  let picture = open(bytes)
    .extract(shown.source)
    .flatten({ background })
    .resize({ ...shown.size, fit: 'fill' });
  const left = Math.max(0, at.offsetX);
  const top = Math.max(0, at.offsetY);
  const right = at.width - left - shown.size.width;
  const bottom = at.height - top - shown.size.height;
  if (left + top + right + bottom > 0) picture = picture.extend({ left, top, right, bottom, background });
  picture = spec.channels === 1 ? picture.greyscale() : picture.toColourspace('srgb');
  const { data, info } = await picture
    .raw({ depth: 'uchar' })
    .timeout({ seconds: DECODE_SECONDS })
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

/** What of the picture is seen, in its own pixels, and its size in the input. Cut first: a strip scaled whole is huge. */
function shownPart(at: Placement & Size): {
  readonly source: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  readonly size: Size;
} {
  const seen = (extent: number, scale: number, target: number): { from: number; length: number; shown: number } => {
    const scaled = Math.round(extent * scale);
    if (scaled <= target) return { from: 0, length: extent, shown: scaled };
    const length = clamp(Math.round(target / scale), 1, extent);
    return { from: Math.floor((extent - length) / 2), length, shown: target };
  };
  const x = seen(at.pictureWidth, at.scaleX, at.width);
  const y = seen(at.pictureHeight, at.scaleY, at.height);
  return {
    source: { left: x.from, top: y.from, width: x.length, height: y.length },
    size: { width: x.shown, height: y.shown },
  };
}

function inverted(pixels: Pixels, invert: ImageSpec['invert']): Pixels {
  const isWanted = invert === 'always' || (invert === 'when-light' && borderLevel(pixels) >= LIGHT);
  return isWanted ? { ...pixels, data: pixels.data.map((value) => 255 - value) } : pixels;
}

function normalise(pixels: Pixels, spec: ImageSpec): Tensor {
  const { width, height, data } = pixels;
  const { channels, scale, mean, std } = spec;
  const area = width * height;
  const values = new Float32Array(channels * area);
  for (let channel = 0; channel < channels; channel++) {
    const source = Math.min(pixels.channels - 1, spec.order === 'bgr' ? channels - 1 - channel : channel);
    const table = Float32Array.from({ length: 256 }, (_, value) => (value * scale - mean[channel]!) / std[channel]!);
    for (let index = 0; index < area; index++) {
      const at = spec.layout === 'chw' ? channel * area + index : index * channels + channel;
      values[at] = table[data[index * pixels.channels + source]!]!;
    }
  }
  const shape = spec.layout === 'chw' ? [1, channels, height, width] : [1, height, width, channels];
  return fromFloat32(shape, values);
}
