/** Other peers in memory: each answers from a store of its own, well or badly. */
import { asPeerId, type ModelId, type PeerId } from '../../../../src/core/ids.ts';
import type { ModelSource } from '../../../../src/mesh/model-store/fetcher.ts';
import type { ModelStore } from '../../../../src/mesh/model-store/model-store.ts';
import { blobProvider } from '../../../../src/mesh/model-store/provider.ts';

interface Chunk {
  readonly index: number;
  readonly bytes: Uint8Array;
}

export interface Behaviour {
  /** What happens to the chunk it is about to send, its `count`th. */
  readonly onChunk?: (chunk: Chunk, count: number) => Chunk | Promise<Chunk>;
  readonly have?: (held: Uint8Array | null) => Uint8Array | null;
  readonly manifest?: (bytes: Uint8Array | null) => Uint8Array | null;
}

export class Neighbours implements ModelSource {
  /** Chunks sent, in order. */
  readonly sent: { readonly peer: PeerId; readonly index: number }[] = [];
  /** Requests of any kind, by peer. */
  readonly asked: PeerId[] = [];
  readonly #peers = new Map<PeerId, { readonly store: ModelStore; readonly behaviour: Behaviour }>();

  add(name: string, store: ModelStore, behaviour: Behaviour = {}): PeerId {
    const peer = asPeerId(name);
    this.#peers.set(peer, { store, behaviour });
    return peer;
  }

  holders(): readonly PeerId[] {
    return [...this.#peers.keys()];
  }

  async manifest(peer: PeerId, id: ModelId): Promise<Uint8Array | null> {
    const { provider, behaviour } = this.#ask(peer);
    const bytes = await provider.manifest(id);
    return behaviour.manifest?.(bytes) ?? bytes;
  }

  async graph(peer: PeerId, id: ModelId): Promise<Uint8Array | null> {
    return this.#ask(peer).provider.graph(id);
  }

  async have(peer: PeerId, id: ModelId): Promise<Uint8Array | null> {
    const { provider, behaviour } = this.#ask(peer);
    const held = await provider.have(id);
    return behaviour.have === undefined ? held : behaviour.have(held);
  }

  async *chunks(peer: PeerId, id: ModelId, indices: readonly number[]): AsyncGenerator<Chunk> {
    const { provider, behaviour } = this.#ask(peer);
    for (const index of indices) {
      const bytes = await provider.chunk(id, index);
      if (bytes === null) continue;
      const count = this.sent.filter((sent) => sent.peer === peer).length;
      const chunk = { index, bytes };
      const altered = behaviour.onChunk === undefined ? chunk : await behaviour.onChunk(chunk, count);
      this.sent.push({ peer, index });
      yield altered;
    }
  }

  #ask(peer: PeerId) {
    this.asked.push(peer);
    const { store, behaviour } = this.#peers.get(peer)!;
    return { provider: blobProvider(store), behaviour };
  }
}
