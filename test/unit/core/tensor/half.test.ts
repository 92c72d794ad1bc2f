import assert from 'node:assert/strict';
import fc from 'fast-check';
import { halfOfNumber, numberOfHalf } from '../../../../src/core/tensor/half.ts';

/** What the engine makes of the same bits. */
const bits = new Uint16Array(1);
const native = new Float16Array(bits.buffer);

const isNumber = (half: number): boolean => (half & 0x7fff) <= 0x7c00;

describe('half-precision numbers', () => {
  it('are read as the engine reads them, all 65,536', () => {
    for (let half = 0; half <= 0xffff; half++) {
      bits[0] = half;
      assert.ok(Object.is(numberOfHalf(half), native[0]), `bits ${half}`);
    }
  });

  it('come back as they were, all but those that are not numbers', () => {
    for (let half = 0; half <= 0xffff; half++) {
      if (isNumber(half)) assert.equal(halfOfNumber(numberOfHalf(half)), half);
      else assert.ok(Number.isNaN(numberOfHalf(halfOfNumber(numberOfHalf(half)))));
    }
  });

  it('are the nearest to any number, of two the even one, as the engine rounds', () => {
    const rounds = (value: number): void => {
      native[0] = value;
      assert.equal(halfOfNumber(value), bits[0], `${value}`);
    };
    fc.assert(fc.property(fc.double({ noNaN: true }), rounds), { numRuns: 5000 });
    fc.assert(fc.property(fc.double({ noNaN: true, min: -70_000, max: 70_000 }), rounds), { numRuns: 5000 });
    fc.assert(fc.property(fc.double({ noNaN: true, min: -1e-4, max: 1e-4 }), rounds), { numRuns: 5000 });
    for (let half = 0; half < 0x7bff; half++) {
      const middle = (numberOfHalf(half) + numberOfHalf(half + 1)) / 2;
      for (const value of [middle, -middle, middle * (1 + 2 ** -52), middle * (1 - 2 ** -53)]) rounds(value);
    }
    for (const value of [65_504, 65_519.99, 65_520, 1e300, Infinity, 2 ** -25, 2 ** -24, 5e-324, -0]) rounds(value);
  });
});
