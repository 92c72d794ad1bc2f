/**
 * Which peers keep which chunks of a model's weights, without a message: rendezvous hashing. Each chunk goes to the
 * members that score highest for it, so a member that leaves takes only its own chunks with it, and one that joins takes
 * over just its share. Source: D. Thaler, C. V. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM
 * Trans. Networking 6(1), 1998.
 */
import type { ModelId, PeerId } from '../ids.ts';

/**
 * Indices, ascending, of the chunks that `self` should hold so that each lives on `copies` of the members (on all of them
 * when there are fewer). Every peer with the same view of the members computes the same placement.
 * @param members the peers that are alive; `self` counts as one whether or not it is listed.
 */
export function chunksToHold(
  modelId: ModelId,
  chunkCount: number,
  members: readonly PeerId[],
  self: PeerId,
  copies: number,
): number[] {
  const rivals = [...new Set(members)].filter((member) => member !== self);
  const all = Array.from({ length: chunkCount }, (_, index) => index);
  if (rivals.length < copies) return all;
  const model = hash(modelId);
  const own = hash(self);
  const others = rivals.map((peer) => ({ peer, key: hash(peer) }));
  return all.filter((index) => {
    const chunk = mix(model + Math.imul(index, GOLDEN_RATIO));
    const ownScore = score(own, chunk);
    let ahead = 0;
    for (const { peer, key } of others) {
      const other = score(key, chunk);
      if (other > ownScore || (other === ownScore && peer < self)) ahead++;
    }
    return ahead < copies;
  });
}

const GOLDEN_RATIO = 0x9e3779b9;

const score = (peer: number, chunk: number): number => mix(peer ^ chunk) >>> 0;

/** FNV-1a over UTF-16 code units, mixed. */
function hash(text: string): number {
  let bits = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) bits = Math.imul(bits ^ text.charCodeAt(index), 0x01000193);
  return mix(bits);
}

/** The finaliser of MurmurHash3: every bit of the input changes half the bits of the result. */
function mix(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
