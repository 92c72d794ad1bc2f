/**
 * Whether other peers hold all that this one holds of a model, so that its copy may go. Their word is not taken for it: each
 * peer that is relied on has to show chunks that it claims, drawn at random.
 */
import { randomInt } from 'node:crypto';
import { sha256 } from '../../../models/manifest.ts';
import type { ModelId, PeerId } from '../../core/ids.ts';
import { bitIndices, bitmapBytes, hasBit } from '../../core/placement/bitmap.ts';
import { orAborted } from './cancellation.ts';
import type { ModelSource } from './model-source.ts';
import type { ModelStore } from './model-store.ts';

export interface CopyPorts {
  readonly store: ModelStore;
  readonly source: ModelSource;
  /** Peers that claim to hold some of a model, this one excluded, the preferred ones first. */
  readonly holders: (id: ModelId) => readonly PeerId[];
}

/** Peers asked, one after the other. */
const MAX_ASKED = 8;
/** Chunks that a peer has to show: one that holds half of what it claims passes one time in eight. */
const SAMPLES = 3;
const ANSWER_TIMEOUT_MS = 5_000;

/** False also where the signal ends the search. @throws MeshError MODEL_NOT_FOUND. */
export async function isHeldElsewhere(id: ModelId, ports: CopyPorts, signal: AbortSignal): Promise<boolean> {
  const { store, holders } = ports;
  const { chunkDigests } = store.get(id).manifest.blob;
  let uncovered = bitIndices(store.have(id), chunkDigests.length);
  for (const peer of holders(id).slice(0, MAX_ASKED)) {
    if (uncovered.length === 0 || signal.aborted) break;
    const shown = await shownBy(peer, id, uncovered, ports, signal).catch(() => []);
    const covered = new Set(shown);
    uncovered = uncovered.filter((index) => !covered.has(index));
  }
  return uncovered.length === 0;
}

/** Those of `wanted` that the peer claims, if it can show some of them; else none. */
async function shownBy(
  peer: PeerId,
  id: ModelId,
  wanted: readonly number[],
  { store, source }: CopyPorts,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const { chunkDigests } = store.get(id).manifest.blob;
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  const held = await orAborted(source.have(peer, id, inTime), inTime);
  if (held?.byteLength !== bitmapBytes(chunkDigests.length)) return [];
  const claimed = wanted.filter((index) => hasBit(held, index));
  const samples = drawn(claimed, SAMPLES);
  const shown = new Set<number>();
  const chunks = source.chunks(peer, id, samples, inTime)[Symbol.asyncIterator]();
  try {
    while (shown.size < samples.length) {
      const step = await orAborted(chunks.next(), inTime);
      if (step.done === true) break;
      const { index, bytes } = step.value;
      if (!samples.includes(index) || sha256(bytes) !== chunkDigests[index]) return [];
      shown.add(index);
    }
  } finally {
    void chunks.return?.().catch(() => undefined);
  }
  return shown.size === samples.length ? claimed : [];
}

/** So many of them, each but once. */
function drawn(indices: readonly number[], count: number): number[] {
  const rest = [...indices];
  return Array.from({ length: Math.min(count, rest.length) }, () => rest.splice(randomInt(rest.length), 1)[0]!);
}
