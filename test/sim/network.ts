/**
 * Connections between simulated peers. Like TCP: in order, without loss, broken at once when a process dies, silent when a
 * cable or a machine does. What is sent over a cut arrives after it, unless an end has given up the connection. Faults may
 * make it worse than TCP ever is: messages that are lost, doubled or overtaken, and bits that flip.
 */
import type { EventQueue } from '../../src/sim/event-queue.ts';
import type { Random } from '../property/random.ts';

/** How badly messages fare, as probabilities. */
export interface Weather {
  readonly loss: number;
  readonly duplication: number;
  readonly reordering: number;
  readonly corruption: number;
}

export const CALM: Weather = Object.freeze({ loss: 0, duplication: 0, reordering: 0, corruption: 0 });

/** A process, as far as the network knows it. */
export interface End {
  readonly index: number;
  /** Does something in that process, when it gets to it; nothing once it is dead. */
  run(action: () => void): void;
  /** Whether its machine answers: it is up and not frozen. */
  readonly isResponsive: boolean;
  readonly isUp: boolean;
  onConnected(peer: number): void;
  onDisconnected(peer: number): void;
}

interface Connection {
  readonly ends: readonly [End, End];
  /** Those that take it to be open. */
  readonly open: Set<End>;
  /** When the last message sent arrives, by sender and kind: none overtakes another. */
  readonly lastMs: Map<string, number>;
  /** Sent while the cable was cut. */
  held: (() => void)[];
}

const LEAST_LATENCY_MS = 0.2;
const JITTER_TENTHS_MS = 20;
const LATE_MS = 200;
const HANDSHAKE_MS = 15;

export class Network {
  readonly #queue: EventQueue;
  readonly #random: Random;
  readonly #connections = new Set<Connection>();
  /** Peers on one side of a cut; null while there is none. */
  #island: ReadonlySet<number> | null = null;
  weather: Weather = CALM;

  constructor(queue: EventQueue, random: Random) {
    this.#queue = queue;
    this.#random = random;
  }

  get #latencyMs(): number {
    return LEAST_LATENCY_MS + this.#random.integer(1, JITTER_TENTHS_MS) / 10;
  }

  #isCut(a: number, b: number): boolean {
    return this.#island !== null && this.#island.has(a) !== this.#island.has(b);
  }

  isConnected(from: End, to: number): boolean {
    return this.#of(from, to).length > 0;
  }

  #of(from: End, to: number): Connection[] {
    return [...this.#connections].filter(
      ({ ends, open }) => open.has(from) && ends.some((end) => end !== from && end.index === to),
    );
  }

  /** One attempt to connect. Resolves nothing: both ends hear of it when it stands. */
  dial(from: End, to: End): void {
    if (this.isConnected(from, to.index) || !to.isResponsive || this.#isCut(from.index, to.index)) return;
    this.#queue.after(HANDSHAKE_MS * this.#latencyMs, () => {
      const isUseless = this.isConnected(from, to.index) || this.#isCut(from.index, to.index);
      if (isUseless || !to.isResponsive || !from.isResponsive) return;
      const connection: Connection = { ends: [from, to], open: new Set([from, to]), lastMs: new Map(), held: [] };
      this.#connections.add(connection);
      from.run(() => from.onConnected(to.index));
      to.run(() => to.onConnected(from.index));
    });
  }

  /** Closes what one end has with another peer; the other end hears of it where the cable holds. */
  close(from: End, to: number): void {
    for (const connection of this.#of(from, to)) this.#leave(connection, from);
  }

  /** A process has died. @param isSilent the machine, too: nobody is told. */
  bury(end: End, isSilent: boolean): void {
    for (const connection of [...this.#connections]) {
      if (!connection.ends.includes(end)) continue;
      connection.open.delete(end);
      connection.held = [];
      if (!isSilent) this.#reset(connection, end);
    }
  }

  #leave(connection: Connection, end: End): void {
    if (!connection.open.delete(end)) return;
    const other = connection.ends.find((one) => one !== end)!;
    if (this.#of(end, other.index).length === 0) end.run(() => end.onDisconnected(other.index));
    this.#reset(connection, end);
  }

  /** The other end learns that one end is no longer there. */
  #reset(connection: Connection, end: End): void {
    const other = connection.ends.find((one) => one !== end)!;
    connection.held = [];
    if (!connection.open.has(other)) this.#connections.delete(connection);
    else if (!this.#isCut(end.index, other.index)) {
      this.#queue.after(this.#latencyMs, () => this.#leave(connection, other));
    }
  }

  /** Hands a message to the connection; false when there is none. @param deliver called at the other end. */
  send(from: End, to: number, kind: string, deliver: (isCorrupt: boolean) => void): boolean {
    const connection = this.#of(from, to).at(-1);
    if (connection === undefined) return false;
    const { loss, duplication } = this.weather;
    if (this.#random.chance(loss)) return true;
    this.#post(connection, from, kind, deliver);
    if (this.#random.chance(duplication)) this.#post(connection, from, kind, deliver);
    return true;
  }

  #post(connection: Connection, from: End, kind: string, deliver: (isCorrupt: boolean) => void): void {
    const to = connection.ends.find((end) => end !== from)!;
    const isCorrupt = this.#random.chance(this.weather.corruption);
    const key = `${from.index} ${kind}`;
    let dueMs = this.#queue.nowMs + this.#latencyMs;
    if (this.#random.chance(this.weather.reordering)) dueMs += this.#random.integer(1, LATE_MS);
    else {
      dueMs = Math.max(dueMs, connection.lastMs.get(key) ?? 0);
      connection.lastMs.set(key, dueMs);
    }
    const arrive = (): void => {
      if (this.#isCut(from.index, to.index)) connection.held.push(arrive);
      else if (connection.open.has(to)) to.run(() => deliver(isCorrupt));
      // Nobody is there any more: the sender is told.
      else if (connection.open.has(from)) this.#queue.after(this.#latencyMs, () => this.#leave(connection, from));
    };
    this.#queue.at(dueMs, arrive);
  }

  cut(island: ReadonlySet<number>): void {
    this.#island = island;
  }

  /** Mends the cut: what waited goes on its way, and ends that were left alone hear of it. */
  mend(): void {
    this.#island = null;
    for (const connection of [...this.#connections]) {
      const gone = connection.ends.find((end) => !connection.open.has(end));
      if (gone !== undefined) {
        this.#reset(connection, gone);
        continue;
      }
      const dueMs = this.#queue.nowMs + this.#latencyMs;
      for (const key of connection.lastMs.keys()) connection.lastMs.set(key, dueMs);
      for (const arrive of connection.held.splice(0)) this.#queue.at(dueMs, arrive);
    }
  }

  /** A machine that comes back knows nothing of its old connections, and says so. */
  disown(index: number): void {
    for (const connection of [...this.#connections]) {
      const gone = connection.ends.find((end) => end.index === index && !end.isUp);
      if (gone !== undefined) this.#reset(connection, gone);
    }
  }
}
