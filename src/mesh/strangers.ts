/**
 * Bounds what connections cost that nobody has proved anything on: each address has few of them at a time, and each of them
 * little time. Without it one machine could hold all places in which members wait to be let in.
 */
import type { MultiaddrConnection } from '@libp2p/interface';
import { MeshError } from '../core/errors.ts';

export interface StrangerLimits {
  /** Connections of one address at a time. */
  readonly maxPerAddress: number;
  /** Of this machine, which several peers may share. */
  readonly maxLocal: number;
  /** For encryption and proof together. */
  readonly patienceMs: number;
}

export const STRANGER_LIMITS: StrangerLimits = Object.freeze({ maxPerAddress: 8, maxLocal: 48, patienceMs: 20_000 });

const hostOf = ({ remoteAddr }: MultiaddrConnection): string => remoteAddr.toString().split('/')[2] ?? '';

export class Strangers {
  readonly #limits: StrangerLimits;
  readonly #waiting = new Map<string, Set<MultiaddrConnection>>();
  readonly #timers = new WeakMap<MultiaddrConnection, NodeJS.Timeout>();

  constructor(limits: StrangerLimits = STRANGER_LIMITS) {
    this.#limits = limits;
  }

  /** False: its address has too many under way. */
  admit(connection: MultiaddrConnection): boolean {
    const { maxPerAddress, maxLocal, patienceMs } = this.#limits;
    const host = hostOf(connection);
    const waiting = this.#waiting.get(host) ?? new Set();
    if (waiting.size >= (host.startsWith('127.') ? maxLocal : maxPerAddress)) return false;
    this.#waiting.set(host, waiting.add(connection));
    const late = new MeshError('DEADLINE_EXCEEDED', `whoever connected proved nothing in ${patienceMs} ms`);
    this.#timers.set(
      connection,
      setTimeout(() => connection.abort(late), patienceMs),
    );
    connection.addEventListener('close', () => this.forget(connection), { once: true });
    return true;
  }

  /** It has proved to belong here, or is gone. */
  forget(connection: MultiaddrConnection): void {
    clearTimeout(this.#timers.get(connection));
    const host = hostOf(connection);
    const waiting = this.#waiting.get(host);
    waiting?.delete(connection);
    if (waiting?.size === 0) this.#waiting.delete(host);
  }

  /** Connections that have proved nothing yet. */
  get count(): number {
    return [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0);
  }
}
