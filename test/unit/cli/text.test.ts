import assert from 'node:assert/strict';
import fc from 'fast-check';
import { clean, displayWidth, formatBytes, formatMs, plural } from '../../../src/cli/text.ts';

describe('text for terminals', () => {
  it('holds no control, format or private characters, whatever the peer is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(clean(text), /[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/u);
        assert.ok(clean(text).length <= 120);
      }),
    );
  });

  const widths: readonly (readonly [string, number])[] = [
    ['', 0],
    ['kitchen', 7],
    ['台所', 4],
    ['e\u0301', 1],
    ['🍓pi', 4],
    ['Küche', 5],
  ];
  for (const [text, width] of widths) {
    it(`"${text}" takes ${width} columns`, () => assert.equal(displayWidth(text), width));
  }

  it('counts one thing as one', () => {
    assert.deepEqual(
      [0, 1, 2].map((count) => plural(count, 'block')),
      ['0 blocks', '1 block', '2 blocks'],
    );
  });

  it('shows sizes and times with the digits that matter', () => {
    assert.deepEqual([0, 999, 1000, 553_000_000, 2e12].map(formatBytes), [
      '0 B',
      '999 B',
      '1.0 KB',
      '553 MB',
      '2.0 TB',
    ]);
    assert.deepEqual([0.25, 12.5, 9999, 61_000].map(formatMs), ['0.3 ms', '13 ms', '9999 ms', '61.0 s']);
  });
});
