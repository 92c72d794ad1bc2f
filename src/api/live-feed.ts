/**
 * The mesh as it is now, for whoever watches: sections that are collected once for all watchers, each at its own pace, and
 * handed out when they changed. While nobody watches nothing is collected, here or at other peers.
 */
import { setTimeout } from 'node:timers/promises';
import { assessHealth } from '../core/health.ts';
import type { HeardCard } from '../core/card.ts';
import { ZOO } from '../../models/zoo/index.ts';
import type { MemberView, ModelView, PeerPort } from './port.ts';

/** How long after a section was collected it is collected again. Cards cost every peer several messages. */
export const LIVE_PERIODS_MS = Object.freeze({ peers: 1_000, requests: 1_000, models: 5_000, cards: 5_000 });

export type LiveSection = keyof typeof LIVE_PERIODS_MS;

/** Told of a section and its document, JSON. Must not throw. */
export type LiveListener = (section: LiveSection, document: string) => void;

const MAX_REQUESTS = 50;
const MAX_MODELS = 200;
/** A member heard of so recently is shown as just heard of, or its age would be news every second. */
const FRESH_MS = 3_000;

const rounded = (value: number, decimals = 0): number => Number(value.toFixed(decimals));

const memberOf = (member: MemberView): object => ({
  id: member.id,
  name: member.name,
  state: member.state,
  isSelf: member.isSelf,
  rttMs: member.rttMs === undefined ? null : rounded(member.rttMs, 1),
  macsPerSecond: member.macsPerSecond,
  queueDepth: member.queueDepth,
  activeRequests: member.activeRequests,
  memoryBytes: rounded(member.memoryBytes / 1e6) * 1e6,
  cpuPercent: rounded(member.cpuPercent),
  version: member.version,
  lastSeenMs: member.lastSeenMs < FRESH_MS ? 0 : rounded(member.lastSeenMs / 1e3) * 1e3,
});

const modelOf = (model: ModelView): object => ({
  id: model.id,
  name: model.name,
  description: model.description,
  weights: model.weights,
  task: model.task,
  bytesHeld: model.bytesHeld,
  bytesTotal: model.bytesTotal,
  holders: model.holders,
});

/** The networks that come with every peer, so far as their files are here. */
async function zoo(): Promise<readonly object[]> {
  const found = await Promise.allSettled(
    Object.values(ZOO).map(async (entry) => ({
      name: entry.name,
      weights: entry.weights,
      task: (await entry.task()).kind,
    })),
  );
  return found.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

/** Links by the positions of their ends among the cards: with names they would be most of what is sent. */
function cardsOf(cards: readonly HeardCard[]): object {
  const position = new Map(cards.map(({ peer }, index) => [peer, index]));
  const links = cards.flatMap(({ card }, from) =>
    (card?.reaches ?? []).flatMap(({ peer, isConnected, roundTrip, sentBytes }) => {
      const to = position.get(peer);
      if (to === undefined || (!isConnected && sentBytes === 0)) return [];
      const p50Ms = roundTrip === null ? null : rounded(roundTrip.p50Ms, 2);
      return [{ from, to, isConnected, p50Ms, loss: rounded(roundTrip?.loss ?? 0, 3), sentBytes }];
    }),
  );
  return {
    /** Of this peer's clock: rates are differences over it. */
    unixMs: Date.now(),
    cards: cards.map(({ peer, card, reason }) => ({
      peer,
      reason,
      machine: card?.machine ?? null,
      platform: card?.platform ?? '',
      kernel: card?.kernel ?? '',
      tiles: card?.tiles ?? 0,
      tilesPerSecond: rounded(card?.tilesPerSecond ?? 0, 1),
      errors: card?.errors ?? 0,
      upMs: card === null ? 0 : rounded(card.uptimeMs / 60e3) * 60e3,
    })),
    links,
  };
}

export class LiveFeed {
  readonly #peer: PeerPort;
  readonly #periodsMs: Readonly<Record<LiveSection, number>>;
  readonly #listeners = new Set<LiveListener>();
  readonly #latest = new Map<LiveSection, string>();
  #collecting: AbortController | undefined;

  constructor(peer: PeerPort, periodsMs: Readonly<Record<LiveSection, number>> = LIVE_PERIODS_MS) {
    this.#peer = peer;
    this.#periodsMs = periodsMs;
  }

  /** Watchers at the moment. */
  get watchers(): number {
    return this.#listeners.size;
  }

  /** Tells what is known at once, and what changes. Returns how to stop. */
  watch(listener: LiveListener): () => void {
    this.#listeners.add(listener);
    for (const [section, document] of this.#latest) listener(section, document);
    this.#collecting ??= this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#collecting?.abort();
      this.#collecting = undefined;
      this.#latest.clear();
    };
  }

  #start(): AbortController {
    const collecting = new AbortController();
    for (const section of Object.keys(this.#periodsMs) as LiveSection[]) {
      void this.#follow(section, collecting.signal);
    }
    return collecting;
  }

  async #follow(section: LiveSection, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // What cannot be had now may be had the next time.
      const found = await this.#collect(section, signal).catch(() => undefined);
      const isWatched = this.#collecting?.signal === signal;
      const document = JSON.stringify(found);
      if (isWatched && found !== undefined && this.#latest.get(section) !== document) {
        this.#latest.set(section, document);
        for (const listener of this.#listeners) listener(section, document);
      }
      await setTimeout(this.#periodsMs[section], undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #collect(section: LiveSection, signal: AbortSignal): Promise<object> {
    const { insight, self } = this.#peer;
    switch (section) {
      case 'peers': {
        const members = this.#peer.members();
        return {
          self,
          health: assessHealth(members, this.#peer.ready(), this.#peer.troubles()),
          peers: members.map(memberOf),
        };
      }
      case 'requests':
        return { requests: (await insight.requests('mesh', signal)).slice(0, MAX_REQUESTS) };
      case 'models':
        return { models: (await this.#peer.models()).slice(0, MAX_MODELS).map(modelOf), zoo: await zoo() };
      case 'cards':
        return cardsOf(await insight.cards(signal));
    }
  }
}
