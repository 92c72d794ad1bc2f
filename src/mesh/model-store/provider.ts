/** What the store has, as the blobs protocol serves it to other peers. */
import type { BlobProvider } from '../../../protocols/blobs/server.ts';
import type { ModelStore } from './model-store.ts';

export const blobProvider = (store: ModelStore): BlobProvider => ({
  manifest: (id) => Promise.resolve(store.has(id) ? store.manifestBytes(id) : null),
  graph: (id) => Promise.resolve(store.has(id) ? store.graphBytes(id) : null),
  have: (id) => Promise.resolve(store.has(id) ? store.have(id) : null),
  chunk: async (id, index) => (store.has(id) ? store.readChunk(id, index) : null),
});
