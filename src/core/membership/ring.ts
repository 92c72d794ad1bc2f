/**
 * Who watches whom. All peers stand in a ring, in the order of their ids, and each keeps up heartbeats with the next ones
 * and with those a root of the ring away, on both sides: four neighbours however many peers there are, each watched by
 * four, and news reach everybody over about as many peers as that root (a circulant graph).
 */
import type { PeerId } from '../ids.ts';

/** The neighbours of `self` among itself and `others`: at most four, and everybody up to five peers. */
export function ringNeighbours(self: PeerId, others: Iterable<PeerId>): ReadonlySet<PeerId> {
  const ring = [...new Set(others).add(self)].sort();
  const place = ring.indexOf(self);
  const chord = Math.max(2, Math.round(Math.sqrt(ring.length)));
  const neighbours = new Set<PeerId>();
  for (const offset of [1, -1, chord, -chord]) {
    neighbours.add(ring[(((place + offset) % ring.length) + ring.length) % ring.length]!);
  }
  neighbours.delete(self);
  return neighbours;
}
