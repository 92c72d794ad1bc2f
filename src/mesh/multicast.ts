/**
 * Looks for peers of one mesh by multicast DNS (RFC 6762, RFC 6763): often at first, then rarely, because every question
 * is answered by everyone. The service's name carries a tag that only members can tell from a random one, and answers are
 * sealed: who else listens learns that there is some mesh.
 */
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import multicastDns, { type MulticastDNS, type QueryPacket, type ResponsePacket } from 'multicast-dns';
import type { PeerId } from '../core/ids.ts';
import type { Logger } from '../observability/logger.ts';
import { AnnouncementReader, AnnouncementWriter, type Announcement } from './announcement.ts';
import type { MeshKey } from './trust/mesh-key.ts';

export interface MulticastInit {
  /** Newest first; with none it only looks who else is there. */
  readonly keys: () => readonly MeshKey[];
  /** What to answer members; null: nothing. */
  readonly self: { readonly peer: PeerId; readonly addresses: () => readonly string[] } | null;
  readonly logger: Logger;
  /** Whether no other peer is connected: worth asking more often. */
  readonly isAlone: () => boolean;
  readonly onPeer: (peer: Announcement) => void;
  /** Told the tags of meshes that this peer holds no key of. */
  readonly onOther?: (tag: string) => void;
}

export type MulticastState = 'off' | 'working' | 'failing';

/** Pauses between the first questions, ten seconds together. */
const FIRST_PAUSES_MS = [250, 250, 500, 1_000, 1_000, 1_000, 2_000, 2_000, 2_000];
const ALONE_PAUSE_MS = 5_000;
const PAUSE_MS = 60_000;
/** One answer is heard by everyone who asked: no more of them, however many ask. */
const ANSWER_PAUSE_MS = 200;
const TTL_SECONDS = 120;
/** Asks any mesh to name itself. */
const ANY_MESH = '_tilemesh._udp.local';
const MESH = /(?:^|\.)_tilemesh-([a-z2-7]{16})\._udp\.local$/;

/** A DNS label may have 63 characters. */
export const serviceTag = (tag: string): string => `_tilemesh-${tag}._udp.local`;

/** How long to wait after so many questions before the next. The rare ones spread, so that one peer asks for all. @param jitter from 0 to 1. */
export const questionPauseMs = (asked: number, isAlone: boolean, jitter: number): number =>
  FIRST_PAUSES_MS[asked - 1] ?? (isAlone ? ALONE_PAUSE_MS : PAUSE_MS * (0.75 + jitter / 2));

/** Everyone hears the answers to another's question: one that asks all that this peer would is as good as its own (RFC 6762, section 7.3). */
export const asksAll = (
  questions: readonly { readonly name: string }[],
  keys: readonly Pick<MeshKey, 'tag'>[],
): boolean => keys.every(({ tag }) => questions.some(({ name }) => name === serviceTag(tag)));

/** Peers on one machine share its addresses, and so do not hear one another here, only answer. */
const isOwn = (address: string): boolean =>
  Object.values(networkInterfaces()).some((own = []) => own.some((known) => known.address === address));

export class Multicast {
  readonly #init: MulticastInit;
  /** Names this run of this peer in its answers. */
  readonly #instance = randomBytes(8).toString('hex');
  #socket: MulticastDNS | undefined;
  #timer: NodeJS.Timeout | undefined;
  #answerTimer: NodeJS.Timeout | undefined;
  #answeredMs = -Infinity;
  /** Tags asked for, to be answered together. */
  readonly #asked = new Set<string>();
  readonly #reader = new AnnouncementReader();
  readonly #writer = new AnnouncementWriter();
  #questions = 0;
  #state: MulticastState = 'off';

  constructor(init: MulticastInit) {
    this.#init = init;
  }

  get state(): MulticastState {
    return this.#state;
  }

  start(): void {
    this.#state = 'working';
    this.#socket = multicastDns();
    this.#socket.on('query', (packet, { address }) => this.#onQuestion(packet, address));
    this.#socket.on('response', (packet) => this.#onAnswer(packet));
    // A port that cannot be bound; other trouble shows when asking.
    this.#socket.on('error', (error: Error) => this.#report(error));
    this.#questions = 0;
    this.#ask();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    clearTimeout(this.#answerTimer);
    this.#answerTimer = undefined;
    this.#state = 'off';
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => socket.destroy(() => resolve()));
  }

  /** The keys have changed: ask anew. */
  refresh(): void {
    if (this.#state === 'off') return;
    clearTimeout(this.#timer);
    this.#ask();
  }

  #ask(): void {
    const tags = this.#init.keys().map(({ tag }) => tag);
    const names = [...tags.map(serviceTag), ...(this.#questions < FIRST_PAUSES_MS.length ? [ANY_MESH] : [])];
    this.#questions++;
    if (names.length > 0) {
      const questions = names.map((name) => ({ name, type: 'PTR' as const }));
      this.#socket?.query({ questions }, (error) => this.#report(error));
    }
    this.#askLater();
  }

  #askLater(): void {
    clearTimeout(this.#timer);
    const pauseMs = questionPauseMs(this.#questions, this.#init.isAlone(), Math.random());
    this.#timer = setTimeout(() => this.#ask(), pauseMs);
  }

  #onQuestion({ questions = [] }: QueryPacket, from: string): void {
    const keys = this.#init.keys();
    const mayRest = this.#questions > FIRST_PAUSES_MS.length && !this.#init.isAlone();
    if (mayRest && asksAll(questions, keys) && !isOwn(from)) this.#askLater();
    for (const { name } of questions) {
      if (name === ANY_MESH) this.#asked.add(ANY_MESH);
      const isOurs = keys.some(({ tag }) => name === serviceTag(tag));
      if (isOurs) this.#asked.add(name);
      else this.#noteOther(name);
    }
    if (this.#init.self === null || this.#asked.size === 0 || this.#answerTimer !== undefined) return;
    const waitMs = Math.max(0, this.#answeredMs + ANSWER_PAUSE_MS - performance.now());
    this.#answerTimer = setTimeout(() => this.#answer(), waitMs);
  }

  #answer(): void {
    const { keys, self } = this.#init;
    const asked = new Set(this.#asked);
    this.#asked.clear();
    this.#answerTimer = undefined;
    this.#answeredMs = performance.now();
    if (self === null) return;
    const addresses = self.addresses();
    for (const [index, key] of keys().entries()) {
      const name = serviceTag(key.tag);
      // Whom it may concern: that there is a mesh, and its tag.
      if (index === 0 && asked.has(ANY_MESH)) {
        this.#socket?.respond({ answers: [{ name: ANY_MESH, type: 'PTR', ttl: TTL_SECONDS, data: name }] });
      }
      if (!asked.has(name) || addresses.length === 0) continue;
      const instance = `${this.#instance}.${name}`;
      this.#socket?.respond({
        answers: [
          { name, type: 'PTR', ttl: TTL_SECONDS, data: instance },
          { name: instance, type: 'TXT', ttl: TTL_SECONDS, data: this.#writer.write(key, self.peer, addresses) },
        ],
      });
    }
  }

  #onAnswer({ answers = [] }: ResponsePacket): void {
    for (const answer of answers) {
      if (answer.type === 'PTR') this.#noteOther(answer.data);
      if (answer.type !== 'TXT' || answer.name.startsWith(`${this.#instance}.`)) continue;
      const key = this.#init.keys().find(({ tag }) => answer.name.endsWith(`.${serviceTag(tag)}`));
      if (key === undefined) continue;
      const strings = (Array.isArray(answer.data) ? answer.data : [answer.data]).map((part) => Buffer.from(part));
      const found = this.#reader.read(key, answer.name, strings);
      if (found !== null) this.#init.onPeer(found);
    }
  }

  #noteOther(name: string): void {
    const tag = MESH.exec(name)?.[1];
    if (tag !== undefined && !this.#init.keys().some((key) => key.tag === tag)) this.#init.onOther?.(tag);
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

/** Tags of the meshes that are heard within a time. */
export async function findMeshes(forMs: number, logger: Logger): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const multicast = new Multicast({
    keys: () => [],
    self: null,
    logger,
    isAlone: () => true,
    onPeer: () => undefined,
    onOther: (tag) => void found.add(tag),
  });
  multicast.start();
  try {
    await new Promise<void>((resolve) => setTimeout(resolve, forMs));
  } finally {
    await multicast.stop();
  }
  return found;
}
