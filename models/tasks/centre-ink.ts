/**
 * A drawn sign, cut out and put where networks trained on MNIST expect it: bounding box scaled to 20 pixels, centre of
 * mass in the middle, white on black (LeCun et al., "The MNIST database of handwritten digits").
 */
import type { ImageSpec } from './image-spec.ts';
import { borderLevel, quantile, type Pixels } from './pixels.ts';

/** Grey level from which a ground is light. */
const LIGHT = 128;
/** Difference between ink and ground below which a picture is blank: noise, not ink. */
const MIN_CONTRAST = 24;
/** Share of the pixels taken to be the strongest ink. */
const INK_SHARE = 0.005;

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** One channel, size `target`: ink 255, ground 0; all ground for a blank picture. */
export function centreInk(
  source: Pixels,
  side: number,
  target: { readonly width: number; readonly height: number },
  invert: ImageSpec['invert'],
): Pixels {
  const blank = { ...target, channels: 1, data: new Uint8Array(target.width * target.height) };
  const ink = extractInk(source, invert);
  const box = ink === undefined ? undefined : boundingBox(ink);
  if (ink === undefined || box === undefined) return blank;
  const sign = strengthen(shrink(ink, box, side / Math.max(box.width, box.height)));
  return paste(sign, blank);
}

/** Ground to 0 and ink to 255; undefined where there is no contrast. */
function extractInk(source: Pixels, invert: ImageSpec['invert']): Pixels | undefined {
  const ground = borderLevel(source);
  const isDarkInk = invert === 'always' || (invert === 'when-light' && ground >= LIGHT);
  const histogram = new Uint32Array(256);
  const contrast = new Uint8Array(source.width * source.height);
  for (let index = 0; index < contrast.length; index++) {
    const value = source.data[index * source.channels]!;
    const level = Math.max(0, isDarkInk ? ground - value : value - ground);
    contrast[index] = level;
    histogram[level]!++;
  }
  const strongest = quantile(histogram, contrast.length, 1 - INK_SHARE);
  if (strongest < MIN_CONTRAST) return undefined;
  const floor = otsu(histogram, contrast.length) / 2;
  const data = contrast.map((level) => Math.min(255, Math.max(0, ((level - floor) / (strongest - floor)) * 255)));
  return { data, width: source.width, height: source.height, channels: 1 };
}

/** The level that parts a histogram best in two (Otsu 1979, "A threshold selection method from gray-level histograms"). */
function otsu(histogram: Uint32Array, count: number): number {
  const total = histogram.reduce((sum, amount, level) => sum + amount * level, 0);
  let best = { level: 0, variance: -1 };
  let below = 0;
  let sumBelow = 0;
  for (let level = 0; level < histogram.length; level++) {
    below += histogram[level]!;
    sumBelow += histogram[level]! * level;
    const above = count - below;
    if (below === 0 || above === 0) continue;
    const variance = below * above * (sumBelow / below - (total - sumBelow) / above) ** 2;
    if (variance > best.variance) best = { level, variance };
  }
  return best.level;
}

function boundingBox({ data, width, height }: Pixels): Box | undefined {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let index = 0; index < data.length; index++) {
    if (data[index]! < 128) continue;
    const x = index % width;
    const y = (index - x) / width;
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  return right < 0 ? undefined : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** The box scaled by averaging the area under each new pixel. */
function shrink(source: Pixels, box: Box, scale: number): Pixels {
  const width = Math.max(1, Math.round(box.width * scale));
  const height = Math.max(1, Math.round(box.height * scale));
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const left = (x * box.width) / width;
      const top = (y * box.height) / height;
      data[y * width + x] = areaMean(source, box, left, top, left + box.width / width, top + box.height / height);
    }
  }
  return { data, width, height, channels: 1 };
}

function areaMean(source: Pixels, box: Box, left: number, top: number, right: number, bottom: number): number {
  let sum = 0;
  for (let y = Math.floor(top); y < Math.min(bottom, box.height); y++) {
    const rows = Math.min(y + 1, bottom) - Math.max(y, top);
    for (let x = Math.floor(left); x < Math.min(right, box.width); x++) {
      const columns = Math.min(x + 1, right) - Math.max(x, left);
      sum += rows * columns * source.data[(box.top + y) * source.width + box.left + x]!;
    }
  }
  return sum / ((right - left) * (bottom - top));
}

/** Thin strokes fade when they shrink: what is strongest becomes 255 again. */
function strengthen(pixels: Pixels): Pixels {
  const histogram = new Uint32Array(256);
  for (const value of pixels.data) histogram[value]!++;
  const strongest = quantile(histogram, pixels.data.length, 0.9);
  return strongest === 0
    ? pixels
    : { ...pixels, data: pixels.data.map((value) => Math.min(255, (value * 255) / strongest)) };
}

function paste(sign: Pixels, onto: Pixels): Pixels {
  let [mass, momentX, momentY] = [0, 0, 0];
  for (const [index, value] of sign.data.entries()) {
    mass += value;
    momentX += value * ((index % sign.width) + 0.5);
    momentY += value * (Math.floor(index / sign.width) + 0.5);
  }
  const left = Math.round(onto.width / 2 - momentX / mass);
  const top = Math.round(onto.height / 2 - momentY / mass);
  const data = onto.data.slice();
  for (const [index, value] of sign.data.entries()) {
    const x = left + (index % sign.width);
    const y = top + Math.floor(index / sign.width);
    if (x >= 0 && x < onto.width && y >= 0 && y < onto.height) data[y * onto.width + x] = value;
  }
  return { ...onto, data };
}
