/** Numbers on the command line. */
import { InvalidArgumentError } from 'commander';
import { MIN_CORES } from './emulation/quota.ts';

export const parseCount =
  (max: number) =>
  (text: string): number => {
    const count = Number(text);
    if (/^\d+$/.test(text) && count >= 1 && count <= max) return count;
    throw new InvalidArgumentError(`a whole number from 1 to ${max}.`);
  };

const MAX_CORES = 256;

/** A share of a core: `0.25`, `1/12`, `2`. */
export function parseCores(text: string): number {
  const [, above, below] = /^(\d+(?:\.\d+)?|\.\d+)(?:\/(\d+))?$/.exec(text) ?? [];
  const cores = Number(above) / Number(below ?? 1);
  if (cores >= MIN_CORES && cores <= MAX_CORES) return cores;
  throw new InvalidArgumentError(`a share of a core such as 0.25, 1/12 or 1, at least ${MIN_CORES}.`);
}

export const appendCores = (text: string, previous: readonly number[]): readonly number[] => [
  ...previous,
  parseCores(text),
];

export const append = (text: string, previous: readonly string[]): readonly string[] => [...previous, text];

const MAX_MBIT = 100_000;

/** Megabits a second. */
export function parseMbit(text: string): number {
  const mbit = Number(text);
  if (text.trim() !== '' && mbit >= 1 && mbit <= MAX_MBIT) return mbit;
  throw new InvalidArgumentError(`megabits a second, from 1 to ${MAX_MBIT}.`);
}

/** `auto` or a number of peers. */
export function parseParallelism(text: string): number {
  if (text === 'auto') return 0;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('"auto" or a number of peers.');
}
