import assert from 'node:assert/strict';
import fc from 'fast-check';
import { copyBox, extract } from '../../../../src/core/geometry/copy.ts';
import { whole, type Interval } from '../../../../src/core/geometry/interval.ts';
import * as box from '../../../../src/core/geometry/region.ts';
import type { Region } from '../../../../src/core/geometry/region.ts';

const region = (...bounds: readonly (readonly [number, number])[]): Region =>
  bounds.map(([start, end]) => ({ start, end }));

const SHAPE = [3, 4, 5];
const boxes: fc.Arbitrary<Region> = fc
  .tuple(...SHAPE.map((extent) => fc.tuple(fc.nat(extent), fc.nat(extent))))
  .map((bounds) => bounds.map(([a, b]): Interval => ({ start: Math.min(a, b), end: Math.max(a, b) })));

/** Indices of all elements of a region of SHAPE. */
function elementsOf(own: Region): Set<number> {
  const elements = new Set<number>();
  for (let i = own[0]!.start; i < own[0]!.end; i++) {
    for (let j = own[1]!.start; j < own[1]!.end; j++) {
      for (let k = own[2]!.start; k < own[2]!.end; k++) elements.add((i * 4 + j) * 5 + k);
    }
  }
  return elements;
}

describe('region', () => {
  it('knows its shape, its volume and its text', () => {
    const own = region([1, 3], [0, 4]);
    assert.deepEqual(box.regionShape(own), [2, 4]);
    assert.equal(box.volume(own), 8);
    assert.equal(box.describe(own), '[1:3, 0:4]');
    assert.ok(box.isWhole(region([0, 2], [0, 4]), [2, 4]));
    assert.equal(box.volume([]), 1);
  });

  it('without a hole is what is left of it, in disjoint boxes', () => {
    fc.assert(
      fc.property(boxes, fc.array(boxes, { maxLength: 3 }), (own, holes) => {
        const pieces = box.subtractAll(own, holes);
        const expected = elementsOf(own);
        for (const hole of holes) for (const element of elementsOf(hole)) expected.delete(element);
        const all = pieces.flatMap((piece) => [...elementsOf(piece)]);
        assert.equal(new Set(all).size, all.length);
        assert.deepEqual(new Set(all), expected);
      }),
    );
  });

  it('meets and joins others as their elements do', () => {
    fc.assert(
      fc.property(boxes, boxes, (a, b) => {
        const others = elementsOf(b);
        const common = new Set([...elementsOf(a)].filter((element) => others.has(element)));
        const met = box.intersect(a, b);
        assert.equal(box.isEmpty(met), common.size === 0);
        if (common.size > 0) assert.deepEqual(elementsOf(met), common);
        const joined = box.hull(a, b);
        assert.ok(box.contains(joined, a) && box.contains(joined, b));
      }),
    );
  });
});

describe('copying boxes', () => {
  const source = Uint8Array.from({ length: 60 }, (_, index) => index);
  const full = SHAPE.map(whole);

  it('moves just the elements of the box', () => {
    fc.assert(
      fc.property(boxes, boxes, (held, wanted) => {
        const moved = box.intersect(held, wanted);
        if (box.isEmpty(moved)) return;
        const own = { region: held, bytes: extract('uint8', { region: full, bytes: source }, held).bytes };
        const target = { region: full, bytes: new Uint8Array(60).fill(255) };
        copyBox(own, target, moved, 1);
        const elements = elementsOf(moved);
        for (const [index, byte] of target.bytes.entries()) assert.equal(byte, elements.has(index) ? index : 255);
      }),
    );
  });

  it('moves a scalar', () => {
    const target = { region: [], bytes: new Uint8Array(4) };
    copyBox({ region: [], bytes: Uint8Array.of(1, 2, 3, 4) }, target, [], 4);
    assert.deepEqual([...target.bytes], [1, 2, 3, 4]);
  });

  it('refuses a box that either side does not hold', () => {
    const half = { region: region([0, 1], [0, 4], [0, 5]), bytes: new Uint8Array(20) };
    assert.throws(() => copyBox(half, { region: full, bytes: source.slice() }, full, 1), { code: 'INTERNAL' });
  });

  it('hands out its own bytes where all are wanted', () => {
    assert.equal(extract('uint8', { region: full, bytes: source }, full).bytes, source);
  });
});
