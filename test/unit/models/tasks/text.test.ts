import assert from 'node:assert/strict';
import fc from 'fast-check';
import { characterIds, lettersOf, textTensor, type TextSpec } from '../../../../models/tasks/text.ts';
import type { MeshError } from '../../../../src/core/errors.ts';
import { numberValues } from '../../../../src/core/tensor/tensor.ts';

const SPEC: TextSpec = { normalisation: 'letters', vocabulary: 4096, minLength: 8, maxLength: 32 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const invalid = (pattern: RegExp) => (error: MeshError) =>
  error.code === 'INVALID_INPUT' && pattern.test(error.message);

describe('text', () => {
  it('keeps letters only, in lower case, words apart by one space', () => {
    const table = [
      ['Hello,  World!', ' hello world '],
      ['  3.14 Ünïcode\n\t', ' ünïcode '],
      ['e\u0301te\u0301', ' été '],
      ['l’été 2026', ' l été '],
      ['今日は。', ' 今日は '],
      ['12:30', ''],
    ] as const;
    for (const [given, expected] of table) assert.equal(lettersOf(given), expected);
  });

  it('gives alphabets below the size of the vocabulary ids of their own, and ideographs that of their page', () => {
    assert.deepEqual(characterIds('a é ж א', 4096), [97, 32, 233, 32, 0x436, 32, 0x5d0]);
    assert.deepEqual(characterIds('日本', 4096), [3840 + 0x65, 3840 + 0x67]);
    assert.deepEqual(characterIds('\u{20000}', 4096), [3840]);
  });

  it('pads what is short and cuts off what is long', () => {
    const short = textTensor(bytes('Oui'), SPEC);
    assert.deepEqual([short.type, short.shape], ['int64', [1, 8]]);
    assert.deepEqual(numberValues(short), [32, 111, 117, 105, 32, 0, 0, 0]);
    assert.deepEqual(textTensor(bytes('word '.repeat(100)), SPEC).shape, [1, 32]);
  });

  it('makes ids of the vocabulary of any text that has letters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(lettersOf(text) !== '');
        const tensor = textTensor(bytes(text), SPEC);
        assert.ok(tensor.shape[1]! >= SPEC.minLength && tensor.shape[1]! <= SPEC.maxLength);
        assert.ok(numberValues(tensor).every((id) => id >= 0 && id < SPEC.vocabulary));
      }),
    );
  });

  it('refuses a text without letters, and bytes that are no text', () => {
    assert.throws(() => textTensor(bytes('12 - 13'), SPEC), invalid(/no letters/));
    assert.throws(() => textTensor(Uint8Array.of(0xff, 0xfe, 0x41), SPEC), invalid(/UTF-8/));
  });
});
