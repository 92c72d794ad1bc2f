import assert from 'node:assert/strict';
import fc from 'fast-check';
import { borrow, extract } from '../../../../src/core/geometry/copy.ts';
import { regionShape, type Region } from '../../../../src/core/geometry/region.ts';
import { byteLength } from '../../../../src/core/tensor/tensor.ts';

/** A box somewhere, and one inside of it. */
const boxes = fc
  .array(fc.tuple(fc.nat(5), fc.nat(3), fc.nat(3), fc.nat(3)), { maxLength: 4 })
  .map((axes): readonly [Region, Region] => [
    axes.map(([start, before, inner, after]) => ({ start, end: start + before + inner + after })),
    axes.map(([start, before, inner]) => ({ start: start + before, end: start + before + inner })),
  ]);

describe('core/geometry borrow', () => {
  it('is what extract is, whatever the boxes', () => {
    fc.assert(
      fc.property(boxes, ([region, wanted]) => {
        const bytes = Uint8Array.from({ length: byteLength('int16', regionShape(region)) }, (_, index) => index % 251);
        const borrowed = borrow('int16', { region, bytes }, wanted);
        const extracted = extract('int16', { region, bytes }, wanted);
        assert.deepEqual(borrowed.shape, extracted.shape);
        assert.deepEqual([...borrowed.bytes], [...extracted.bytes]);
      }),
    );
  });

  it('shares memory exactly where rows, channels or a single line lie next to each other', () => {
    const axis = (start: number, end: number): Region[number] => ({ start, end });
    const region = [axis(0, 1), axis(0, 8), axis(10, 14), axis(0, 5)];
    const bytes = new Uint8Array(8 * 4 * 5 * 4);
    const isShared = (...wanted: Region): boolean =>
      borrow('float32', { region, bytes }, wanted).bytes.buffer === bytes.buffer;
    assert.ok(isShared(...region));
    assert.ok(isShared(axis(0, 1), axis(2, 5), axis(10, 14), axis(0, 5)));
    assert.ok(isShared(axis(0, 1), axis(3, 4), axis(11, 13), axis(0, 5)));
    assert.ok(isShared(axis(0, 1), axis(3, 4), axis(11, 12), axis(1, 3)));
    assert.ok(!isShared(axis(0, 1), axis(2, 4), axis(11, 13), axis(0, 5)));
    assert.ok(!isShared(axis(0, 1), axis(3, 4), axis(11, 13), axis(1, 3)));
  });
});
