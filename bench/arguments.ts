/** What is written on the command line, checked. */
import { InvalidArgumentError } from 'commander';
import { isZooName, ZOO, type ZooName } from '../models/zoo/index.ts';
import { MIN_CORES } from './emulation/quota.ts';

export const parseCount =
  (max: number) =>
  (text: string): number => {
    const count = Number(text);
    if (/^\d+$/.test(text) && count >= 1 && count <= max) return count;
    throw new InvalidArgumentError(`a whole number from 1 to ${max}.`);
  };

/** Several counts with commas in between, each a multiple of `step`. */
export const parseCounts =
  (max: number, step = 1) =>
  (text: string): readonly number[] => {
    const counts = text.split(',').map((part) => (/^\d+$/.test(part) ? Number(part) : 0));
    if (counts.every((count) => count >= 1 && count <= max && count % step === 0)) return counts;
    const kind = step === 1 ? 'whole numbers' : `multiples of ${step}`;
    throw new InvalidArgumentError(`${kind} up to ${max}, with commas in between.`);
  };

export function appendZooName(text: string, previous: readonly ZooName[]): readonly ZooName[] {
  if (isZooName(text)) return [...previous, text];
  throw new InvalidArgumentError(`one of ${Object.keys(ZOO).join(', ')}.`);
}

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

/** Any number in a range. */
export const parseNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const number = Number(text);
    if (text.trim() !== '' && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`a number from ${min} to ${max}.`);
  };

/** Some of the words that are known, with commas in between; in the order in which they are known. */
export const parseSome =
  <Word extends string>(known: readonly Word[]) =>
  (text: string): readonly Word[] => {
    const words = text.split(',');
    if (words.every((word) => known.some((name) => name === word))) return known.filter((name) => words.includes(name));
    throw new InvalidArgumentError(`some of ${known.join(', ')}, with commas in between.`);
  };

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
