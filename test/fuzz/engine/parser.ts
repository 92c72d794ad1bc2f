/** What is fuzzed: something that makes values out of bytes from outside. */
import type { ErrorCode } from '../../../src/core/errors.ts';

export interface Parser {
  /** Letters, digits and hyphens: also the name of its folder in the corpus. */
  readonly name: string;
  /** Well-formed inputs of every kind it knows. */
  readonly seeds: () => readonly Uint8Array[];
  /** What it makes of an input, or a promise of that. */
  readonly parse: (bytes: Uint8Array) => unknown;
  /** With what it may refuse one. */
  readonly refusals: readonly ErrorCode[];
  /** Words of its language, which chance would not find. */
  readonly words?: readonly string[];
  /** Largest input that its caller hands to it; 64 KiB unless given. */
  readonly maxBytes?: number;
  /** Puts right what would have every damaged input refused at the door, such as a checksum. */
  readonly mend?: (bytes: Uint8Array) => Uint8Array;
  /** Part of the inputs asked for that it gets, where one takes long; 1 unless given. */
  readonly share?: number;
  /** What one input may take beyond four bytes for each of its own, where that is more than `OWN_BYTES`. */
  readonly ownBytes?: number;
}

export const MAX_BYTES = 64 * 1024;

/** What was expected of a parser and did not hold. */
export interface Violation {
  readonly parser: string;
  readonly kind: 'error' | 'slow' | 'stuck' | 'memory' | 'exit';
  readonly message: string;
  /** Hexadecimal. */
  readonly input: string;
}
