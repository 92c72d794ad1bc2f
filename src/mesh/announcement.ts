/**
 * What a peer multicasts of itself: its id and addresses, sealed with the key of its mesh, so that members can read it and
 * nobody else can read, alter or invent one.
 */
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { asPeerId, type PeerId } from '../core/ids.ts';
import { MAX_ADDRESSES } from './addresses.ts';
import { seal, unseal, type MeshKey } from './trust/mesh-key.ts';

export interface Announcement {
  readonly peer: PeerId;
  readonly addresses: readonly Multiaddr[];
}

/** A string of a TXT record holds so many bytes (RFC 1035, section 3.3.14). */
const MAX_STRING_BYTES = 255;
/** One packet that is not fragmented has room for less. */
const MAX_SEALED_BYTES = 2048;
const MAX_ADDRESS_CHARS = 128;
/** Announcements of so many peers are remembered as they were read. */
const MAX_REMEMBERED = 1024;

/** Strings of a TXT record. */
export function encodeAnnouncement(key: MeshKey, peer: PeerId, addresses: readonly string[]): Buffer[] {
  const usable = addresses.filter((address) => address.length <= MAX_ADDRESS_CHARS).slice(0, MAX_ADDRESSES);
  const sealed = Buffer.from(seal(key, new TextEncoder().encode([peer, ...usable].join('\n'))));
  const count = Math.ceil(sealed.byteLength / MAX_STRING_BYTES);
  return Array.from({ length: count }, (_, index) =>
    sealed.subarray(index * MAX_STRING_BYTES, (index + 1) * MAX_STRING_BYTES),
  );
}

/** Null for what no member wrote, and for what makes no sense. */
export function decodeAnnouncement(key: MeshKey, strings: readonly Uint8Array[]): Announcement | null {
  const sealed = Buffer.concat(strings);
  const text = sealed.byteLength > MAX_SEALED_BYTES ? null : unseal(key, sealed);
  if (text === null) return null;
  const [peer = '', ...addresses] = new TextDecoder().decode(text).split('\n');
  if (!/^[0-9A-Za-z]{16,128}$/.test(peer) || addresses.length > MAX_ADDRESSES) return null;
  try {
    return { peer: asPeerId(peer), addresses: addresses.map((address) => multiaddr(address)) };
  } catch {
    return null;
  }
}

/** Says the same in the same bytes for as long as it is true, so that readers recognise it. */
export class AnnouncementWriter {
  #last: { readonly key: MeshKey; readonly text: string; readonly strings: Buffer[] } | undefined;

  write(key: MeshKey, peer: PeerId, addresses: readonly string[]): Buffer[] {
    const text = [peer, ...addresses].join('\n');
    if (this.#last?.key !== key || this.#last.text !== text) {
      this.#last = { key, text, strings: encodeAnnouncement(key, peer, addresses) };
    }
    return this.#last.strings;
  }
}

/** Opens each announcement once: in a mesh at rest, everyone hears the same from everyone again and again. */
export class AnnouncementReader {
  readonly #read = new Map<string, { readonly key: MeshKey; readonly sealed: Buffer; readonly found: Announcement }>();

  /** @param instance as which the announcement came; anybody can take another's name. */
  read(key: MeshKey, instance: string, strings: readonly Uint8Array[]): Announcement | null {
    const sealed = Buffer.concat(strings);
    const known = this.#read.get(instance);
    if (known?.key === key && known.sealed.equals(sealed)) return known.found;
    const found = decodeAnnouncement(key, [sealed]);
    if (found === null) return null;
    this.#read.delete(instance);
    this.#read.set(instance, { key, sealed, found });
    for (const oldest of this.#read.keys()) {
      if (this.#read.size <= MAX_REMEMBERED) break;
      this.#read.delete(oldest);
    }
    return found;
  }
}
