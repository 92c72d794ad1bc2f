import assert from 'node:assert/strict';
import fc from 'fast-check';
import { asPeerId, type ModelId, type PeerId } from '../../../../src/core/ids.ts';
import { bitIndices, bitmap, clearBit, hasBit, setBit } from '../../../../src/core/placement/bitmap.ts';
import { chunksToHold } from '../../../../src/core/placement/rendezvous.ts';

const MODEL = 'a'.repeat(64) as ModelId;
const peers = (count: number): PeerId[] =>
  Array.from({ length: count }, (_, index) => asPeerId(`12D3KooWpeer${index.toString(36)}`));

/** How many copies each chunk has when every member holds what it should. */
function copiesOf(chunkCount: number, members: readonly PeerId[], copies: number): number[] {
  const counts = new Array<number>(chunkCount).fill(0);
  for (const member of members) {
    for (const index of chunksToHold(MODEL, chunkCount, members, member, copies)) counts[index]!++;
  }
  return counts;
}

describe('placement of chunks', () => {
  it('gives every chunk its copies, or one on each member when there are fewer', () => {
    fc.assert(
      fc.property(
        fc.nat(60),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 5 }),
        (chunks, count, copies) => {
          for (const held of copiesOf(chunks, peers(count), copies)) assert.equal(held, Math.min(copies, count));
        },
      ),
    );
  });

  it('does not depend on the order of the members, nor on whether a peer lists itself', () => {
    const members = peers(9);
    const expected = chunksToHold(MODEL, 100, members, members[4]!, 3);
    assert.deepEqual(chunksToHold(MODEL, 100, [...members].reverse(), members[4]!, 3), expected);
    assert.deepEqual(chunksToHold(MODEL, 100, members.toSpliced(4, 1), members[4]!, 3), expected);
  });

  it('moves nothing among those who stay when a member leaves, but for what the leaver held', () => {
    const members = peers(10);
    const [leaver, ...rest] = members as [PeerId, ...PeerId[]];
    const left = new Set(chunksToHold(MODEL, 200, members, leaver, 3));
    for (const member of rest) {
      const before = new Set(chunksToHold(MODEL, 200, members, member, 3));
      const after = new Set(chunksToHold(MODEL, 200, rest, member, 3));
      for (const index of before) assert.ok(after.has(index));
      for (const index of after) assert.ok(before.has(index) || left.has(index));
    }
  });

  it('gives each of 24 boards a fair share of 528 chunks', () => {
    const members = peers(24);
    const shares = members.map((member) => chunksToHold(MODEL, 528, members, member, 3).length);
    assert.ok(Math.max(...shares) < 100 && Math.min(...shares) > 40, `shares: ${shares.join(' ')}, 66 on average`);
  });
});

describe('bitmap', () => {
  it('is the set of the indices that were set and not cleared', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.boolean())), (changes) => {
        const bits = bitmap(41);
        const model = new Set<number>();
        for (const [index, isSet] of changes) {
          (isSet ? setBit : clearBit)(bits, index);
          if (isSet) model.add(index);
          else model.delete(index);
        }
        assert.deepEqual(
          bitIndices(bits, 41),
          [...model].sort((a, b) => a - b),
        );
        assert.equal(hasBit(bits, 400), false);
      }),
    );
  });
});
