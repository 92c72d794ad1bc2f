/** Addresses of peers: as people write them, as peers announce them, and as they are dialled. */
import type { PeerId as Libp2pPeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { MeshError } from '../core/errors.ts';
import type { PeerId } from '../core/ids.ts';

/** Announced addresses of one peer that are kept. */
export const MAX_ADDRESSES = 16;

/** `10.0.0.7:4001`, `board-7:4001` or a multiaddress. @throws MeshError INVALID_CONFIG. */
export function parseAddress(text: string): Multiaddr {
  const [, host, port] = /^([\w.-]+):(\d{1,5})$/.exec(text) ?? [];
  const spelled =
    host === undefined || port === undefined ? text : `/${/^[\d.]+$/.test(host) ? 'ip4' : 'dns4'}/${host}/tcp/${port}`;
  const message = `'${text}' is no address of a peer: write it as HOST:PORT or /ip4/ADDRESS/tcp/PORT`;
  if (!spelled.includes('/tcp/')) throw new MeshError('INVALID_CONFIG', message);
  try {
    return multiaddr(spelled);
  } catch (cause) {
    throw new MeshError('INVALID_CONFIG', message, { cause });
  }
}

const isLoopback = (address: Multiaddr): boolean => address.toString().startsWith('/ip4/127.');

/** What another machine can be reached at; its loopback addresses only when there is nothing else. */
export function reachable(addresses: readonly Multiaddr[]): readonly Multiaddr[] {
  const remote = addresses.filter((address) => !isLoopback(address));
  return (remote.length > 0 ? remote : addresses).slice(0, MAX_ADDRESSES);
}

/** An address names the peer expected there, so that nobody else can answer in its place. */
export function destination(peer: PeerId | null, address: Multiaddr | undefined): Libp2pPeerId | Multiaddr {
  if (address === undefined) return peerIdFromString(peer!);
  if (peer === null || address.toString().includes('/p2p/')) return address;
  return address.encapsulate(`/p2p/${peer}`);
}
