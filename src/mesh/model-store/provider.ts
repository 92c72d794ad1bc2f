/** What the store has, as the blobs protocol serves it to other peers. */
import type { BlobProvider } from '../../../protocols/blobs/server.ts';
import type { ModelId } from '../../core/ids.ts';
import type { ModelStore } from './model-store.ts';

/** @param isHidden whether a model is to be shown to nobody at the moment. */
export function blobProvider(store: ModelStore, isHidden: (id: ModelId) => boolean = () => false): BlobProvider {
  const isShown = (id: ModelId): boolean => store.has(id) && !isHidden(id);
  return {
    manifest: (id) => Promise.resolve(isShown(id) ? store.manifestBytes(id) : null),
    graph: (id) => Promise.resolve(isShown(id) ? store.graphBytes(id) : null),
    have: (id) => Promise.resolve(isShown(id) ? store.have(id) : null),
    chunk: async (id, index) => (isShown(id) ? store.readChunk(id, index) : null),
  };
}
