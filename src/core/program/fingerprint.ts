/** A short key for a long canonical text: 128 bits of a fast hash. Equal texts have equal keys; it protects nothing. */
import { hash32 } from '../hash.ts';

export const fingerprint = (text: string): string =>
  [1, 2, 3, 4].map((seed) => hash32(text, seed).toString(16).padStart(8, '0')).join('');
