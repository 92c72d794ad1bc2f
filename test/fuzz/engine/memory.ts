/**
 * What memory the results of a parser take, and what it takes on the way to them: inputs are stretched by repeating parts of
 * them, as somebody would who wants a small message to become a large object.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { randomOf } from '../../property/random.ts';
import { examine, violationOf } from './examine.ts';
import { MAX_BYTES, type Parser, type Violation } from './parser.ts';

/** What an input may leave in memory for each of its bytes, and beyond that. */
export const BYTES_PER_BYTE = 4;
export const OWN_BYTES = 2 ** 20;
/** The same for what is thrown away on the way, as lists and objects of JSON that its reader then refuses. */
const PASSING_BYTES_PER_BYTE = 24;
const PASSING_OWN_BYTES = 8 * 2 ** 20;
/** Stretched inputs that are looked at. */
const SAMPLES = 100;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const held = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

export interface MemoryUse {
  /** Most bytes that stayed for one input, with the input's own. */
  readonly kept: readonly [bytes: number, inputBytes: number];
  /** The same for bytes that were taken in between. */
  readonly passing: readonly [bytes: number, inputBytes: number];
  readonly violations: readonly Violation[];
}

/** About as many bytes as the parser takes: something over and over, in the middle of an input or in place of it. */
function stretched(parser: Parser, input: Uint8Array, random: ReturnType<typeof randomOf>): Uint8Array {
  const { words = [] } = parser;
  const maxBytes = (parser.maxBytes ?? MAX_BYTES) / random.pick([1, 4, 16, 64]);
  const at = random.integer(0, Math.max(0, input.byteLength - 1));
  const word = words.length === 0 ? '' : `${random.pick(words)}${random.pick([',', '', ' '])}`;
  const isWhole = random.chance(0.4);
  const part = isWhole
    ? input
    : word !== '' && random.chance(0.5)
      ? new TextEncoder().encode(word)
      : input.subarray(at, at + random.integer(1, random.pick([2, 4, 16, 64])));
  const times = Math.floor((maxBytes - (isWhole ? 0 : input.byteLength)) / Math.max(1, part.byteLength));
  const parts = Array.from({ length: Math.max(1, times) }, () => part);
  return new Uint8Array(Buffer.concat(isWhole ? parts : [input.subarray(0, at), ...parts, input.subarray(at)]));
}

/** @param onInput called with each input before it is run. */
export async function measureMemory(
  parser: Parser,
  corpus: readonly Uint8Array[],
  seed: number,
  onInput: (input: Uint8Array) => void,
): Promise<MemoryUse> {
  const random = randomOf(seed);
  const { ownBytes = OWN_BYTES, share = 1 } = parser;
  let kept: MemoryUse['kept'] = [0, 0];
  let passing = kept;
  const violations: Violation[] = [];
  for (let sample = 0; sample < SAMPLES * Math.max(0.1, share) && violations.length === 0; sample++) {
    const made = stretched(parser, random.pick(corpus), random);
    const input = parser.mend?.(made) ?? made;
    const { byteLength } = input;
    onInput(input);
    const before = held();
    const { value: first } = await examine(parser, input);
    // Where garbage was collected meanwhile this is too little: another input will show it.
    const passed = held() - before;
    if (passed > passing[0]) passing = [passed, byteLength];
    if (passed > PASSING_BYTES_PER_BYTE * byteLength + PASSING_OWN_BYTES + ownBytes) {
      violations.push(violationOf(parser.name, 'memory', `${passed} bytes in passing for ${byteLength}`, input));
    }
    if (first === undefined) continue;
    collectGarbage();
    const without = held();
    const { value } = await examine(parser, input);
    collectGarbage();
    const stayed = held() - without;
    if (stayed > kept[0]) kept = [stayed, byteLength];
    if (value !== undefined && stayed > BYTES_PER_BYTE * byteLength + ownBytes) {
      violations.push(violationOf(parser.name, 'memory', `${stayed} bytes for ${byteLength}`, input));
    }
  }
  return { kept, passing, violations };
}
