/** Numbers that look random, made of a seed, the name of what is drawn and a count: adding one draw changes no other. */
import { naturalLogarithm } from '../core/election/rendezvous.ts';
import { hashFraction } from '../core/hash.ts';
import type { RequestId } from '../core/ids.ts';

/** Strictly between 0 and 1. */
export const uniform = (seed: number, name: string, index: number): number => hashFraction(`${seed}/${name}/${index}`);

/** Of mean 1: the time between events that know nothing of each other. */
export const exponential = (seed: number, name: string, index: number): number =>
  -naturalLogarithm(uniform(seed, name, index));

export const choose = <Item>(items: readonly Item[], seed: number, name: string, index: number): Item =>
  items[Math.floor(uniform(seed, name, index) * items.length)]!;

/** 32 hexadecimal digits, other ones for each request. */
export function requestIdOf(seed: number, index: number): RequestId {
  const words = [0, 1, 2, 3].map((word) => Math.floor(uniform(seed, `request-${word}`, index) * 2 ** 32));
  return words.map((word) => word.toString(16).padStart(8, '0')).join('') as RequestId;
}
