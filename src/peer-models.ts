/** The models of a peer put together: store, room, fetching from others, and the library over all of them. */
import type { BlobProvider } from '../protocols/blobs/server.ts';
import type { MeshError } from './core/errors.ts';
import type { ModelId, PeerId } from './core/ids.ts';
import { programScope } from './core/program/compile.ts';
import { ModelLibrary, type LibraryParts } from './mesh/model-library.ts';
import { ModelFetcher } from './mesh/model-store/fetcher.ts';
import type { ModelSource } from './mesh/model-store/model-source.ts';
import { ModelSpace } from './mesh/model-store/model-space.ts';
import type { ModelStore, StoredModel } from './mesh/model-store/model-store.ts';
import { isHeldElsewhere } from './mesh/model-store/other-copies.ts';
import { blobProvider } from './mesh/model-store/provider.ts';
import type { ProgramShelf } from './mesh/program-shelf.ts';

export interface PeerModelsParts extends Pick<LibraryParts, 'self' | 'announcements' | 'onChange'> {
  readonly store: ModelStore;
  readonly source: ModelSource & { provide(provider: BlobProvider): void };
  readonly shelf: ProgramShelf;
  readonly diskBudgetBytes: number;
  readonly onLie: (peer: PeerId, error: MeshError) => void;
  /** Told of each model that went for room. */
  readonly onEvicted: (model: StoredModel) => void;
}

export interface PeerModels {
  readonly library: ModelLibrary;
  readonly fetcher: ModelFetcher;
  readonly space: ModelSpace;
  /** Deletes a model, and what was prepared of it unless that is in use. @throws MeshError MODEL_NOT_FOUND, STORAGE_FAILED. */
  remove(id: ModelId): Promise<void>;
}

/** From now on other peers are served from the store, too. */
export function composeModels(parts: PeerModelsParts): PeerModels {
  const { store, source, shelf, diskBudgetBytes, onLie, onEvicted, ...rest } = parts;
  const remove = async (id: ModelId): Promise<void> => {
    await store.remove(id);
    // The disk has room once nothing maps the file any more.
    await shelf.drop(programScope(id));
  };
  const holders = (id: ModelId): readonly PeerId[] => library.holders(id);
  const space = new ModelSpace({
    store,
    budgetBytes: diskBudgetBytes,
    isInUse: (id) => shelf.isInUse(programScope(id)),
    isHeldElsewhere: (id, signal) => isHeldElsewhere(id, { store, source, holders }, signal),
    remove,
    onEvicted: (model) => {
      library.noteEviction(model.id);
      onEvicted(model);
    },
  });
  const reserve = space.reserve.bind(space);
  const fetcher = new ModelFetcher({ store, source, holders, onLie, reserve });
  const library: ModelLibrary = new ModelLibrary({ ...rest, store, fetcher, space });
  source.provide(blobProvider(store, (id) => space.isLeaving(id)));
  return { library, fetcher, space, remove };
}
