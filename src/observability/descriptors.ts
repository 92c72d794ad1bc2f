/**
 * File descriptors of this process: each connection, file and thread takes some, and when they are used up nothing can be opened,
 * neither connections to members nor weights. The system closes what comes in then without a word, so the peer says it.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DescriptorUse } from '../core/card.ts';
import { isExhaustion } from './exhaustion.ts';

export interface DescriptorLog {
  readonly info: (facts: object, message: string) => void;
  readonly warn: (facts: object, message: string) => void;
}

/** Said from here on, until there is as much room as `ENOUGH_SHARE` leaves. */
const SHORT_SHARE = 0.9;
const ENOUGH_SHARE = 0.75;
export const CHECK_INTERVAL_MS = 1_000;

const REMEDY =
  'raise the limit (ulimit -n, or LimitNOFILE of the systemd unit), or find who holds so many connections (ss -tnp)';

/** The most that the process may have open; null where the system does not say, or sets none. */
async function readLimit(root: string): Promise<number | null> {
  const text = await readFile(join(root, 'proc/self/limits'), 'utf8').catch(() => '');
  const limit = Number(/^Max open files\s+(\d+)/m.exec(text)?.[1]);
  return limit > 0 ? limit : null;
}

export class DescriptorWatch {
  /** Null where it is not known. */
  readonly limit: number | null;
  readonly #root: string;
  readonly #log: DescriptorLog;
  #used: number | null = null;
  #isShort = false;

  private constructor(limit: number | null, root: string, log: DescriptorLog) {
    this.limit = limit;
    this.#root = root;
    this.#log = log;
  }

  /** @param root where `proc` is looked for. */
  static async open(log: DescriptorLog, root = '/'): Promise<DescriptorWatch> {
    const watch = new DescriptorWatch(await readLimit(root), root, log);
    await watch.check();
    return watch;
  }

  /** As of the last check; null where the system does not say. */
  get use(): DescriptorUse | null {
    return this.limit === null || this.#used === null ? null : { used: this.#used, limit: this.limit };
  }

  /** What is wrong, and what to do; undefined where nothing is. */
  get trouble(): string | undefined {
    return this.#isShort ? `${this.#used} of ${this.limit} file descriptors are in use: ${REMEDY}` : undefined;
  }

  /** Looks, and says when they get short and when they are enough again. Never rejects. */
  async check(): Promise<void> {
    const { limit } = this;
    if (limit === null) return;
    this.#used = await readdir(join(this.#root, 'proc/self/fd')).then(
      // Reading the folder takes one itself.
      ({ length }) => length - 1,
      (error: unknown) => (isExhaustion(error) ? limit : null),
    );
    if (this.#used === null) return;
    const wasShort = this.#isShort;
    this.#isShort = this.#used >= limit * (wasShort ? ENOUGH_SHARE : SHORT_SHARE);
    if (this.#isShort === wasShort) return;
    const facts = { used: this.#used, limit };
    if (this.#isShort) this.#log.warn(facts, `file descriptors are nearly used up: ${REMEDY}`);
    else this.#log.info(facts, 'there are enough file descriptors again');
  }
}
