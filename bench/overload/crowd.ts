/** Clients that ask one peer again and again: when they are answered, and, when they are refused, after the time they are told. */
import { setTimeout } from 'node:timers/promises';
import { summarise, type Summary } from '../measure/statistics.ts';
import { threadTimes, threadTimesSince } from '../measure/threads.ts';
import { Client, type Reply } from './client.ts';

export interface Served {
  readonly clients: number;
  readonly answered: number;
  readonly refused: number;
  /** Broken connections, and answers that are none. */
  readonly failed: number;
  readonly wrong: number;
  readonly perSecond: number;
  /** Of the first request of each client, all sent at once, at the client. Null where nothing was refused. */
  readonly firstRefusalMs: Summary | null;
  /** Of all later ones. */
  readonly refusalMs: Summary | null;
  /** Processor time as a share of one core. */
  readonly cores: {
    /** Of the peer's event loop. */
    readonly eventLoop: number;
    /** Of all its other threads. */
    readonly otherThreads: number;
    /** Of the clients, all in one process. */
    readonly clients: number;
  };
}

export interface CrowdOptions {
  readonly url: URL;
  /** Of the peer's process. */
  readonly pid: number;
  readonly request: Buffer;
  /** Whether the body of an answer is the right one. */
  readonly isRight: (body: string) => boolean;
  readonly clients: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

const REFUSED: ReadonlySet<number> = new Set([429, 503]);
const CONNECTED_AT_A_TIME = 100;
const PAUSE_AFTER_FAILURE_MS = 100;
const ADDRESSES_IN_A_NET = 250;

/** Each client has an address of its own: what one address may ask for is bounded by itself. */
export const addressOfClient = (index: number): string =>
  `127.0.${1 + Math.floor(index / ADDRESSES_IN_A_NET)}.${1 + (index % ADDRESSES_IN_A_NET)}`;

/** All are connected before the first one asks; then all ask at once, for so long. */
export async function serve(options: CrowdOptions): Promise<Served> {
  const { url, pid, request, isRight, seconds, signal } = options;
  const counts = { answered: 0, failed: 0, wrong: 0 };
  const firstRefusalsMs: number[] = [];
  const refusalsMs: number[] = [];
  const clients: Client[] = [];
  try {
    while (clients.length < options.clients) {
      const addresses = Array.from(
        { length: Math.min(CONNECTED_AT_A_TIME, options.clients - clients.length) },
        (_, index) => addressOfClient(clients.length + index),
      );
      clients.push(...(await Promise.all(addresses.map((address) => Client.connect(url, address)))));
      signal.throwIfAborted();
    }
    const before = await threadTimes(pid);
    const ownBefore = process.cpuUsage();
    const startMs = performance.now();
    const endMs = startMs + 1_000 * seconds;
    const count = (reply: Reply, isFirst: boolean): void => {
      if (REFUSED.has(reply.status)) (isFirst ? firstRefusalsMs : refusalsMs).push(reply.tookMs);
      else if (reply.status !== 200) counts.failed += 1;
      else if (isRight(reply.body)) counts.answered += 1;
      else counts.wrong += 1;
    };
    const keepAsking = async (client: Client, index: number): Promise<void> => {
      let current = client;
      for (let turn = 0; performance.now() < endMs && !signal.aborted; turn++) {
        try {
          if (!current.isOpen) current = clients[index] = await Client.connect(url, addressOfClient(index));
          const reply = await current.ask(request, signal);
          count(reply, turn === 0);
          const pauseMs = Math.min(endMs - performance.now(), reply.retryAfterMs);
          if (pauseMs > 0) await setTimeout(pauseMs);
        } catch {
          counts.failed += 1;
          await setTimeout(PAUSE_AFTER_FAILURE_MS);
        }
      }
    };
    await Promise.all(clients.map(keepAsking));
    const spanMs = performance.now() - startMs;
    const peer = threadTimesSince(before, await threadTimes(pid));
    const own = process.cpuUsage(ownBefore);
    signal.throwIfAborted();
    return {
      clients: options.clients,
      ...counts,
      refused: firstRefusalsMs.length + refusalsMs.length,
      perSecond: (1_000 * counts.answered) / spanMs,
      firstRefusalMs: firstRefusalsMs.length === 0 ? null : summarise(firstRefusalsMs),
      refusalMs: refusalsMs.length === 0 ? null : summarise(refusalsMs),
      cores: {
        eventLoop: peer.eventLoopMs / spanMs,
        otherThreads: (peer.kernelMs + peer.engineMs + peer.otherMs) / spanMs,
        clients: (own.user + own.system) / 1_000 / spanMs,
      },
    };
  } finally {
    for (const client of clients) client.close();
  }
}
