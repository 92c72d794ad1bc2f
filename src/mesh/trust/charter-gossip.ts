/** The newest charter reaches everyone: members hand it over when they meet, and pass on what is news to them. */
import type { Connection, Libp2p } from '@libp2p/interface';
import { toMeshError, type MeshError } from '../../core/errors.ts';
import { asPeerId, type PeerId } from '../../core/ids.ts';
import type { MessageChannel } from '../ports.ts';
import type { SignedCharter } from './charter.ts';
import type { Trust } from './trust.ts';

export interface CharterGossipOptions {
  readonly trust: Pick<Trust, 'signed' | 'receive' | 'onChange'>;
  readonly channel: MessageChannel<SignedCharter>;
  readonly host: Pick<Libp2p, 'addEventListener' | 'removeEventListener' | 'getPeers'>;
  /** A peer sent what the administrator did not sign. */
  readonly onForgery: (peer: PeerId, error: MeshError) => void;
}

export class CharterGossip {
  readonly #options: CharterGossipOptions;
  #told: string | undefined;
  #stops: readonly (() => void)[] = [];

  constructor(options: CharterGossipOptions) {
    this.#options = options;
  }

  start(): void {
    const { trust, channel, host } = this.#options;
    const onOpen = ({ detail }: CustomEvent<Connection>): void => this.#tell(asPeerId(detail.remotePeer.toString()));
    host.addEventListener('connection:open', onOpen);
    this.#told = trust.signed?.signature;
    this.#stops = [
      () => host.removeEventListener('connection:open', onOpen),
      channel.onMessage((from, signed) => this.#hear(from, signed)),
      trust.onChange(() => this.#spread()),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  #hear(from: PeerId, signed: SignedCharter): void {
    try {
      this.#options.trust.receive(signed);
    } catch (error) {
      this.#options.onForgery(from, toMeshError(error));
    }
  }

  #spread(): void {
    const { trust, host } = this.#options;
    if (trust.signed === null || trust.signed.signature === this.#told) return;
    this.#told = trust.signed.signature;
    for (const peer of host.getPeers()) this.#tell(asPeerId(peer.toString()));
  }

  /** Whoever cannot be told now will be when it connects. */
  #tell(peer: PeerId): void {
    const { trust, channel } = this.#options;
    if (trust.signed !== null) channel.send(peer, trust.signed).catch(() => undefined);
  }
}
