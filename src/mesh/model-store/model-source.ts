/** Where models come from: the port to other peers. Answers are not trusted; the fetcher checks every byte. */
import type { ModelId, PeerId } from '../../core/ids.ts';

export interface ModelSource {
  /** The canonical manifest; null when the peer does not hold it. */
  manifest(peer: PeerId, id: ModelId, signal: AbortSignal): Promise<Uint8Array | null>;
  /** The graph's file; null when the peer does not hold it. */
  graph(peer: PeerId, id: ModelId, signal: AbortSignal): Promise<Uint8Array | null>;
  /** Bitmap of the chunks the peer holds, lowest bit first; null when it does not know the model. */
  have(peer: PeerId, id: ModelId, signal: AbortSignal): Promise<Uint8Array | null>;
  /** The chunks asked for, without those the peer does not hold. */
  chunks(
    peer: PeerId,
    id: ModelId,
    indices: readonly number[],
    signal: AbortSignal,
  ): AsyncIterable<{ readonly index: number; readonly bytes: Uint8Array }>;
}
