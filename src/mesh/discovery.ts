/**
 * Finds peers and stays connected to them. Addresses come from multicast, from the user's list and from earlier
 * connections; each is dialled until a connection stands, with a growing pause, and without end: a mesh that was cut in
 * two is one again seconds after the cut is mended.
 * Of two peers that find each other the one with the lower id dials at once and the other gives it a second.
 */
import type { PeerId as Libp2pPeerId, TypedEventTarget, Libp2pEvents, Connection } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';
import { asPeerId, type PeerId } from '../core/ids.ts';
import type { Logger } from '../observability/logger.ts';
import { destination, parseAddress, reachable } from './addresses.ts';
import type { Announcement } from './announcement.ts';
import { Multicast, type MulticastState } from './multicast.ts';
import type { MeshKey } from './trust/mesh-key.ts';

export interface DiscoveryInit {
  /** Of the mesh, newest first: whom to look for by multicast. */
  readonly keys: () => readonly MeshKey[];
  /** Whether to look for peers by multicast DNS. */
  readonly mdns: boolean;
  /** Addresses of other peers, as `host:port` or multiaddresses, for networks that drop multicast. */
  readonly bootstrap: readonly string[];
  readonly logger: Logger;
}

export interface DiscoveryComponents {
  readonly peerId: Libp2pPeerId;
  readonly addressManager: { getAddresses(): readonly Multiaddr[] };
  readonly events: TypedEventTarget<Libp2pEvents>;
  readonly connectionManager: {
    getConnections(peer?: Libp2pPeerId): Connection[];
    openConnection(
      target: Libp2pPeerId | Multiaddr,
      options: { readonly signal: AbortSignal; readonly onProgress: (event: { readonly type: string }) => void },
    ): Promise<Connection>;
  };
}

/** How long the peer with the higher id leaves dialling to the other. */
const YIELD_MS = 1_000;
/** An old connection is still listed for a moment after it was aborted. */
const CLOSING_MS = 50;
const FIRST_RETRY_MS = 250;
/** Between attempts at one address, and for each peer that is missing: some two attempts a second in all. */
const MAX_RETRY_MS = 1_000;
const RETRY_MS_A_TARGET = 500;
/** Who has been missing for long is dialled so often. */
const RARE_RETRY_MS = 30_000;
/** For the TCP handshake alone, which the system repeats after a second: a cut link answers nothing. */
const CONNECT_TIMEOUT_MS = 1_250;
/** For the whole of it: securing a connection takes long on a busy board. */
const DIAL_TIMEOUT_MS = 20_000;
/** Who was neither seen nor connected for this long is dialled rarely, and may be forgotten for others. */
const LONG_GONE_MS = 600_000;
const MAX_TARGETS = 512;

/** Whom to dial, and how that goes. */
interface Target {
  /** Null for a listed address nobody answered yet. */
  peer: PeerId | null;
  /** Of `peer`, or of the one before: parsing takes longer than all else that is done with a peer that is there. */
  libp2pId: Libp2pPeerId | undefined;
  addresses: readonly Multiaddr[];
  /** From the user's list: never forgotten. */
  readonly isListed: boolean;
  seenMs: number;
  failures: number;
  avoidUntilMs: number;
  timer: NodeJS.Timeout | undefined;
  isDialling: boolean;
}

/** Pause before the next attempt; all addresses of a peer are tried before it grows. @param missing peers being dialled. */
export function retryPauseMs(failures: number, addresses: number, missing: number, jitter: number): number {
  const rounds = Math.floor(failures / Math.max(1, addresses));
  if (failures % Math.max(1, addresses) !== 0) return 0;
  const longestMs = Math.max(MAX_RETRY_MS, RETRY_MS_A_TARGET * missing);
  return Math.min(longestMs, FIRST_RETRY_MS * 2 ** Math.min(rounds - 1, 10)) * (0.75 + jitter / 2);
}

/** A libp2p service. */
export class Discovery {
  readonly #components: DiscoveryComponents;
  readonly #init: DiscoveryInit;
  readonly #self: PeerId;
  readonly #multicast: Multicast | null;
  /** By peer id, or by address while nobody answered there. */
  readonly #targets = new Map<string, Target>();
  #stopped = new AbortController();

  constructor(components: DiscoveryComponents, init: DiscoveryInit) {
    this.#components = components;
    this.#init = init;
    this.#self = asPeerId(components.peerId.toString());
    const isAlone = (): boolean => components.connectionManager.getConnections().length === 0;
    const onPeer = (found: Announcement): void => this.#sight(found);
    const addresses = (): readonly string[] =>
      reachable(components.addressManager.getAddresses()).map((address) => address.toString());
    const { keys, logger } = init;
    this.#multicast = init.mdns
      ? new Multicast({ keys, self: { peer: this.#self, addresses }, logger, isAlone, onPeer })
      : null;
    for (const text of init.bootstrap) {
      const address = parseAddress(text);
      this.#targets.set(address.toString(), newTarget(null, [address], true));
    }
    this.#stopped.abort();
  }

  /** Whether multicast works on this machine. */
  get multicastState(): MulticastState {
    return this.#multicast?.state ?? 'off';
  }

  /** Called by libp2p. */
  start(): void {
    this.#stopped = new AbortController();
    this.#components.events.addEventListener('peer:connect', this.#onConnect);
  }

  /** Called by libp2p, once it listens. */
  afterStart(): void {
    for (const target of this.#targets.values()) this.#schedule(target, 0);
    this.#multicast?.start();
  }

  /** Called by libp2p. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#components.events.removeEventListener('peer:connect', this.#onConnect);
    for (const target of this.#targets.values()) clearTimeout(target.timer);
    await this.#multicast?.stop();
  }

  /** The keys have changed: look for whoever holds the new ones. */
  refresh(): void {
    this.#multicast?.refresh();
  }

  /** The peer's connection was lost: connect again. */
  redial(peer: PeerId): void {
    const target = this.#targetOf(peer) ?? this.#add(peer, []);
    if (target === null) return;
    target.seenMs = performance.now();
    target.failures = 0;
    this.#schedule(target, Math.max(CLOSING_MS, this.#courtesyMs(peer)));
  }

  /** The peer left on purpose: wait until it is seen again. */
  rest(peer: PeerId): void {
    const target = this.#targetOf(peer);
    if (target === undefined) return;
    clearTimeout(target.timer);
    target.timer = undefined;
    if (target.isListed) this.#schedule(target, MAX_RETRY_MS);
    else this.#targets.delete(peer);
  }

  /** The peer cannot be worked with: leave it alone for a while. */
  avoid(peer: PeerId, forMs: number): void {
    const target = this.#targetOf(peer) ?? this.#add(peer, []);
    if (target === null) return;
    target.avoidUntilMs = performance.now() + forMs;
    clearTimeout(target.timer);
    target.timer = undefined;
    if (target.isListed) this.#schedule(target, forMs);
  }

  readonly #onConnect = ({ detail }: { readonly detail: Libp2pPeerId }): void => {
    const target = this.#targetOf(asPeerId(detail.toString()));
    if (target === undefined) return;
    target.failures = 0;
    clearTimeout(target.timer);
    target.timer = undefined;
  };

  #sight({ peer, addresses: announced }: Announcement): void {
    if (peer === this.#self) return;
    const addresses = reachable(announced);
    const target = this.#targetOf(peer) ?? this.#add(peer, addresses);
    if (target === null) return;
    const isKnown = (address: Multiaddr): boolean =>
      target.addresses.some((known) => known === address || known.equals(address));
    const isMoved = !addresses.every(isKnown);
    target.seenMs = performance.now();
    if (isMoved) Object.assign(target, { addresses, failures: 0 });
    if (this.#isConnected(target)) return;
    if (isMoved || target.timer === undefined) this.#schedule(target, this.#courtesyMs(peer));
  }

  #targetOf(peer: PeerId): Target | undefined {
    return this.#targets.get(peer) ?? [...this.#targets.values()].find((target) => target.peer === peer);
  }

  /** Null when there are too many, none of them gone for long. */
  #add(peer: PeerId, addresses: readonly Multiaddr[]): Target | null {
    if (this.#targets.size >= MAX_TARGETS) {
      const gone = [...this.#targets.values()].find((target) => !target.isListed && this.#isLongGone(target));
      if (gone === undefined) return null;
      clearTimeout(gone.timer);
      this.#forget(gone);
    }
    const target = newTarget(peer, addresses, false);
    this.#targets.set(peer, target);
    return target;
  }

  #courtesyMs(peer: PeerId): number {
    return this.#self < peer ? 0 : YIELD_MS;
  }

  #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  #isConnected(target: Target): boolean {
    const { peer } = target;
    if (peer === null) return false;
    if (target.libp2pId?.toString() !== peer) target.libp2pId = peerIdFromString(peer);
    return this.#components.connectionManager.getConnections(target.libp2pId).length > 0;
  }

  #schedule(target: Target, pauseMs: number): void {
    if (this.#isStopped() || target.isDialling) return;
    const waitMs = Math.max(pauseMs, target.avoidUntilMs - performance.now());
    clearTimeout(target.timer);
    target.timer = setTimeout(() => void this.#dial(target), waitMs);
  }

  /** One attempt at one address; never rejects. */
  async #dial(target: Target): Promise<void> {
    target.timer = undefined;
    if (this.#isStopped() || this.#isConnected(target)) return;
    target.isDialling = true;
    try {
      const { remotePeer } = await this.#open(target);
      target.peer = asPeerId(remotePeer.toString());
      target.failures = 0;
      target.seenMs = performance.now();
      this.#init.logger.debug({ peer: target.peer }, 'connected');
    } catch (error) {
      target.failures++;
      this.#init.logger.debug(
        { err: error, peer: target.peer, addresses: target.addresses.map(String) },
        'dial failed',
      );
      if (isSelf(error)) this.#forget(target);
      else if (target.isListed && isStranger(error)) target.peer = null;
    } finally {
      target.isDialling = false;
    }
    if (this.#isStopped() || this.#isConnected(target)) return;
    const targets = [...this.#targets.values()];
    if (!targets.includes(target)) return;
    const missing = targets.filter((other) => other.isDialling || other.timer !== undefined).length;
    // A connection that closed again at once counts as a failure, too: no dialling without a pause.
    const pauseMs = retryPauseMs(Math.max(1, target.failures), target.addresses.length, missing, Math.random());
    this.#schedule(target, this.#isLongGone(target) ? Math.max(RARE_RETRY_MS, pauseMs) : pauseMs);
  }

  #isLongGone(target: Target): boolean {
    return performance.now() - target.seenMs > LONG_GONE_MS && !this.#isConnected(target);
  }

  async #open({ peer, addresses, failures }: Target): Promise<Connection> {
    const connecting = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const onProgress = ({ type }: { readonly type: string }): void => {
      clearTimeout(timer);
      if (type === 'tcp:open-connection') timer = setTimeout(() => connecting.abort(), CONNECT_TIMEOUT_MS);
    };
    const signal = AbortSignal.any([this.#stopped.signal, connecting.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
    try {
      const address = addresses[failures % Math.max(1, addresses.length)];
      return await this.#components.connectionManager.openConnection(destination(peer, address), {
        signal,
        onProgress,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #forget(target: Target): void {
    for (const [key, other] of this.#targets) if (other === target) this.#targets.delete(key);
  }
}

const newTarget = (peer: PeerId | null, addresses: readonly Multiaddr[], isListed: boolean): Target => ({
  peer,
  libp2pId: undefined,
  addresses,
  isListed,
  seenMs: performance.now(),
  failures: 0,
  avoidUntilMs: 0,
  timer: undefined,
  isDialling: false,
});

/** A listed address may be this peer's own. */
const isSelf = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'InvalidPeerIdError' || error.message === 'Tried to dial self');

/** Another peer moved in at a listed address. */
const isStranger = (error: unknown): boolean => error instanceof Error && error.name === 'UnexpectedPeerError';

export const discovery =
  (init: DiscoveryInit) =>
  (components: DiscoveryComponents): Discovery =>
    new Discovery(components, init);
