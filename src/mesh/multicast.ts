/**
 * Looks for peers of one mesh by multicast DNS (RFC 6762, RFC 6763): often at first, then rarely, because every question
 * is answered by everyone. The service's name carries the mesh's name, so two meshes on one network never mix.
 */
import { mdns, type MulticastDNSComponents } from '@libp2p/mdns';
import type { PeerInfo } from '@libp2p/interface';
import type { Logger } from '../observability/logger.ts';

export interface MulticastInit {
  readonly mesh: string;
  readonly logger: Logger;
  /** Whether no other peer is connected: worth asking more often. */
  readonly isAlone: () => boolean;
  readonly onPeer: (peer: PeerInfo) => void;
}

export type MulticastState = 'off' | 'working' | 'failing';

/** Pauses between the first questions, ten seconds together. */
const FIRST_PAUSES_MS = [250, 250, 500, 1_000, 1_000, 1_000, 2_000, 2_000, 2_000];
const ALONE_PAUSE_MS = 5_000;
const PAUSE_MS = 60_000;
/** The module's own clock, unused: the longest a timer can be set to. */
const NEVER_MS = 2 ** 31 - 1;

/** The DNS label of a mesh may have 63 characters. */
export const serviceTag = (mesh: string): string => `_tilemesh-${mesh}._udp.local`;

/** How long to wait after so many questions before the next. */
export const questionPauseMs = (asked: number, isAlone: boolean): number =>
  FIRST_PAUSES_MS[asked - 1] ?? (isAlone ? ALONE_PAUSE_MS : PAUSE_MS);

export class Multicast {
  readonly #init: MulticastInit;
  readonly #module: ReturnType<ReturnType<typeof mdns>> & { mdns?: Asker | undefined };
  #timer: NodeJS.Timeout | undefined;
  #asked = 0;
  #state: MulticastState = 'off';

  constructor(components: MulticastDNSComponents, init: MulticastInit) {
    this.#init = init;
    this.#module = mdns({ serviceTag: serviceTag(init.mesh), interval: NEVER_MS })(components);
    this.#module.addEventListener('peer', ({ detail }) => init.onPeer(detail));
  }

  get state(): MulticastState {
    return this.#state;
  }

  async start(): Promise<void> {
    this.#state = 'working';
    await (this.#module as Partial<Service>).start?.();
    // A port that cannot be bound; other trouble shows when asking.
    this.#module.mdns?.on('error', (error) => this.#report(error));
    this.#asked = 1;
    this.#ask();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#state = 'off';
    await (this.#module as Partial<Service>).stop?.();
  }

  #ask(): void {
    this.#module.mdns?.query({ questions: [{ name: serviceTag(this.#init.mesh), type: 'PTR' }] }, (error) =>
      this.#report(error),
    );
    this.#timer = setTimeout(() => this.#ask(), questionPauseMs(this.#asked++, this.#init.isAlone()));
  }

  /** Says once that multicast does not work, and once that it does again. */
  #report(error: Error | null | undefined): void {
    const isFailing = error !== null && error !== undefined;
    if (this.#state === 'off' || isFailing === (this.#state === 'failing')) return;
    this.#state = isFailing ? 'failing' : 'working';
    if (!isFailing) {
      this.#init.logger.info('multicast works now: peers on this network are found by themselves');
      return;
    }
    this.#init.logger.warn(
      { err: error },
      'multicast does not work here, so peers are not found by themselves: give this machine a default route or one to ' +
        '224.0.0.0/4 (ip route add 224.0.0.0/4 dev INTERFACE) and leave UDP port 5353 open, or list the addresses of ' +
        'other peers (--bootstrap)',
    );
  }
}

/** What is used of the module's socket. */
interface Asker {
  on(event: 'error', listener: (error: Error) => void): unknown;
  query(
    query: { readonly questions: { readonly name: string; readonly type: 'PTR' }[] },
    done: (error: Error | null | undefined) => void,
  ): void;
}

interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}
