/** Peers whose streams are pairs in memory: what a protocol needs of libp2p, and nothing more. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, Stream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { streamPair, type StreamPairOptions } from '@libp2p/utils';
import { asPeerId, type PeerId } from '../../../src/core/ids.ts';
import type { StreamComponents } from '../../../protocols/framing.ts';

type Handler = (stream: Stream, connection: Connection) => void | Promise<void>;

export interface MemoryPeer {
  readonly id: PeerId;
  readonly components: StreamComponents;
  /** Streams this peer opened, oldest first. */
  readonly opened: Stream[];
  /** The protocols agreed on for them. */
  readonly protocolsOpened: readonly string[];
}

export interface MemoryNetwork {
  readonly peers: readonly MemoryPeer[];
  /** Makes dialling a peer fail from now on. */
  unplug(peer: PeerId): void;
}

export async function memoryNetwork(size: number, options: StreamPairOptions = { delay: 0 }): Promise<MemoryNetwork> {
  const handlers = new Map<string, Map<string, Handler>>();
  const unplugged = new Set<string>();
  const peers = await Promise.all(
    Array.from({ length: size }, async () => {
      const peerId = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
      const own = new Map<string, Handler>();
      handlers.set(peerId.toString(), own);
      const opened: Stream[] = [];
      const protocolsOpened: string[] = [];
      const components: StreamComponents = {
        peerId,
        registrar: {
          handle: (protocol, handler) => Promise.resolve(void own.set(protocol, handler)),
          unhandle: (protocol) => Promise.resolve(void own.delete(protocol)),
        },
        connectionManager: {
          openConnection: (remote) => {
            const theirs = handlers.get(remote.toString());
            if (theirs === undefined || unplugged.has(remote.toString())) return Promise.reject(new Error('no route'));
            return Promise.resolve({
              newStream: async (asked: string | readonly string[]) => {
                const protocols = typeof asked === 'string' ? [asked] : asked;
                const protocol = protocols.find((own) => theirs.has(own));
                const handler = protocol === undefined ? undefined : theirs.get(protocol);
                if (protocol === undefined || handler === undefined)
                  throw new Error(`${protocols.join()} is not spoken`);
                const [outbound, inbound] = await streamPair({ ...options, protocol });
                opened.push(outbound);
                protocolsOpened.push(protocol);
                void handler(inbound, { remotePeer: peerId } as Connection);
                return outbound;
              },
            } as unknown as Connection);
          },
        },
      };
      return { id: asPeerId(peerId.toString()), components, opened, protocolsOpened };
    }),
  );
  return { peers, unplug: (peer) => void unplugged.add(peer) };
}

/** Collects what a listener is called with; `next(n)` resolves when there are at least n. */
export class Collector<T> {
  readonly items: T[] = [];
  #waiting: { readonly count: number; readonly resolve: (items: readonly T[]) => void } | undefined;

  readonly add = (item: T): void => {
    this.items.push(item);
    if (this.#waiting !== undefined && this.items.length >= this.#waiting.count) this.#waiting.resolve(this.items);
  };

  next(count: number): Promise<readonly T[]> {
    if (this.items.length >= count) return Promise.resolve(this.items);
    return new Promise((resolve) => (this.#waiting = { count, resolve }));
  }
}
