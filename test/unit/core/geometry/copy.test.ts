import assert from 'node:assert/strict';
import fc from 'fast-check';
import { copyBox, type Patch } from '../../../../src/core/geometry/copy.ts';
import type { Region } from '../../../../src/core/geometry/region.ts';

interface Axis {
  readonly source: Region[number];
  readonly target: Region[number];
  readonly box: Region[number];
}

/** A box, and on each side of it what the two patches hold beyond. */
const axis: fc.Arbitrary<Axis> = fc
  .record({
    start: fc.nat(5),
    size: fc.integer({ min: 0, max: 40 }),
    before: fc.tuple(fc.nat(2), fc.nat(2)),
    after: fc.tuple(fc.nat(2), fc.nat(2)),
  })
  .map(({ start, size, before, after }) => {
    const first = start + 2;
    const around = (index: 0 | 1) => ({ start: first - before[index], end: first + size + after[index] });
    return { source: around(0), target: around(1), box: { start: first, end: first + size } };
  });

const extent = ({ start, end }: Region[number]): number => end - start;
const volume = (region: Region): number => region.reduce((product, one) => product * extent(one), 1);

/** Where an element lies in a patch, counted in elements. */
const placeOf = (region: Region, at: readonly number[]): number =>
  region.reduce((place, one, index) => place * extent(one) + at[index]! - one.start, 0);

function* elementsOf(box: Region, at: readonly number[] = []): Generator<readonly number[]> {
  const next = box[at.length];
  if (next === undefined) yield at;
  else for (let index = next.start; index < next.end; index++) yield* elementsOf(box, [...at, index]);
}

/** `skew` bytes before it: views of larger memory do not begin on words. */
function patch(region: Region, elementBytes: number, skew: number, fill: (index: number) => number): Patch {
  const size = volume(region) * elementBytes;
  const bytes = new Uint8Array(new ArrayBuffer(size + skew), skew, size);
  for (let index = 0; index < size; index++) bytes[index] = fill(index);
  return { region, bytes };
}

describe('core/geometry/copy', () => {
  it('moves the elements of the box, each to its place, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(axis, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(1, 2, 4, 8),
        fc.tuple(fc.nat(4), fc.nat(4)),
        (axes, elementBytes, [sourceSkew, targetSkew]) => {
          const [sources, targets, box] = [
            axes.map(({ source }) => source),
            axes.map(({ target }) => target),
            axes.map((one) => one.box),
          ];
          const source = patch(sources, elementBytes, sourceSkew, (index) => (index * 31 + 7) % 251);
          const target = patch(targets, elementBytes, targetSkew, () => 255);
          const expected = target.bytes.slice();
          for (const at of elementsOf(box)) {
            const from = placeOf(sources, at) * elementBytes;
            expected.set(source.bytes.subarray(from, from + elementBytes), placeOf(targets, at) * elementBytes);
          }
          copyBox(source, target, box, elementBytes);
          assert.deepEqual(target.bytes, expected);
        },
      ),
      { numRuns: 300 },
    );
  });
});
