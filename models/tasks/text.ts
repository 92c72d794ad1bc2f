/**
 * Texts to tensors of character ids. A text is normalised (letters only); a character's id is its code point modulo the
 * size of the vocabulary, so that with 2,048 and more the alphabets of Europe and the Near East have ids of their own. Of
 * the many ideographs and syllables, the page of 256 code points counts, among the last ids.
 */
import * as v from 'valibot';
import { MeshError } from '../../src/core/errors.ts';
import { fromInt64, type Tensor } from '../../src/core/tensor/tensor.ts';

/** How a text becomes the input of a network. */
export interface TextSpec {
  /** letters: NFC, lower case, all between the letters one space; one space before and after. */
  readonly normalisation: 'letters';
  /** Number of ids; 0 is the padding. */
  readonly vocabulary: number;
  /** Shorter texts are padded, longer ones cut off. */
  readonly minLength: number;
  readonly maxLength: number;
}

/** Here begin the ideographs of Chinese; the syllables of Korean follow. */
const FIRST_IDEOGRAPH = 0x3400;
const PAGES = 256;

/** Characters a network may ask for. */
const MAX_LENGTH = 65_536;
const MAX_VOCABULARY = 1_114_112;

const length = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_LENGTH));

export const textSpecSchema = v.pipe(
  v.strictObject({
    normalisation: v.literal('letters'),
    vocabulary: v.pipe(v.number(), v.integer(), v.minValue(PAGES), v.maxValue(MAX_VOCABULARY)),
    minLength: length,
    maxLength: length,
  }),
  v.check((spec) => spec.minLength <= spec.maxLength, 'maxLength is too small'),
) satisfies v.GenericSchema<unknown, TextSpec>;

/** UTF-16 units looked at per character kept: a text of blanks must not cost more than one of letters. */
const UNITS_PER_CHARACTER = 16;

/** The letters of a text, words apart by one space, with a space before and after; '' where there is no letter. */
export function lettersOf(text: string): string {
  const letters = text
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}]+/gu, ' ')
    .trim();
  return letters === '' ? '' : ` ${letters} `;
}

/** Ids of the characters of a normalised text. */
export const characterIds = (text: string, vocabulary: number): number[] =>
  Array.from(text, (character) => {
    const point = character.codePointAt(0)!;
    return point < FIRST_IDEOGRAPH ? point % vocabulary : vocabulary - PAGES + (Math.floor(point / 256) % PAGES);
  });

/** int64 [1, length]. @throws MeshError INVALID_INPUT for bytes that are not UTF-8, and for a text without letters. */
export function textTensor(bytes: Uint8Array, spec: TextSpec): Tensor {
  const letters = lettersOf(decode(bytes).slice(0, UNITS_PER_CHARACTER * spec.maxLength));
  if (letters === '') {
    throw new MeshError('INVALID_INPUT', 'the text has no letters: send a few words');
  }
  const ids = characterIds(letters, spec.vocabulary).slice(0, spec.maxLength);
  while (ids.length < spec.minLength) ids.push(0);
  return fromInt64([1, ids.length], ids);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new MeshError('INVALID_INPUT', 'the text is not UTF-8: save it as UTF-8 and send it again', { cause });
  }
}
