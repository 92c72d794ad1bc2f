import assert from 'node:assert/strict';
import fc from 'fast-check';
import { asPeerId, type PeerId } from '../../../../src/core/ids.ts';
import { ringNeighbours } from '../../../../src/core/membership/ring.ts';

const peers = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 64 })
  .map((names) => names.map(asPeerId));

const others = (all: readonly PeerId[], self: PeerId): readonly PeerId[] => all.filter((peer) => peer !== self);

describe('core/membership/ring', () => {
  it('gives everybody four neighbours, or all others where they are fewer, each the neighbour of its neighbours', () => {
    fc.assert(
      fc.property(peers, (all) => {
        for (const self of all) {
          const neighbours = ringNeighbours(self, others(all, self));
          assert.ok(!neighbours.has(self));
          assert.ok(neighbours.size >= Math.min(3, all.length - 1) && neighbours.size <= 4);
          if (all.length <= 5) assert.equal(neighbours.size, all.length - 1);
          for (const neighbour of neighbours) assert.ok(ringNeighbours(neighbour, others(all, neighbour)).has(self));
        }
      }),
    );
  });

  it('reaches everybody over about a root of their number', () => {
    fc.assert(
      fc.property(peers, (all) => {
        let reached = new Set(all.slice(0, 1));
        for (let hop = 0; hop < Math.ceil(Math.sqrt(all.length)) + 1; hop++) {
          reached = new Set([...reached].flatMap((peer) => [peer, ...ringNeighbours(peer, others(all, peer))]));
        }
        assert.equal(reached.size, all.length);
      }),
    );
  });
});
