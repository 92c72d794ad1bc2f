/** Pieces of a picture that is decoded once. */
import sharp, { type Sharp } from 'sharp';
import { MeshError } from '../../src/core/errors.ts';
import type { Point, TextBox } from './answer.ts';
import { MAX_INPUT_PIXELS } from './image.ts';

/** Height over width from which a box holds a column of text, to be read from its left side. */
const COLUMN_RATIO = 1.5;

export interface Page {
  /** A box as a PNG: columns laid on their side, and all turned over when `isUpsideDown`. */
  cut(points: TextBox['points'], isUpsideDown: boolean): Promise<Uint8Array>;
}

/** The picture upright, on white where it is transparent. @throws MeshError INVALID_INPUT when it cannot be read. */
export async function openPage(bytes: Uint8Array): Promise<Page> {
  const { data, info } = await sharp(bytes, { limitInputPixels: MAX_INPUT_PIXELS, pages: 1, autoOrient: true })
    .flatten({ background: 'white' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw new MeshError('INVALID_INPUT', 'the page cannot be read: send a PNG, JPEG or WebP', { cause });
    });
  const { width, height, channels } = info;
  const open = (): Sharp => sharp(data, { raw: { width, height, channels } });
  return {
    cut: ([from, , to], isUpsideDown) => {
      const box = rectangle(from, to);
      const quarter = box.height >= COLUMN_RATIO * box.width ? 270 : 0;
      return open()
        .extract(box)
        .rotate((quarter + (isUpsideDown ? 180 : 0)) % 360)
        .png({ compressionLevel: 1 })
        .toBuffer();
    },
  };
}

const rectangle = ([left, top]: Point, [right, bottom]: Point) => ({
  left,
  top,
  width: Math.max(1, right - left),
  height: Math.max(1, bottom - top),
});
