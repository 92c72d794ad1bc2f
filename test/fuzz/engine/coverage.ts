/**
 * Which blocks of code this thread has run, as V8 counts them: what guides a fuzzer. Functions of files count, those of the
 * fuzzer itself do not. Code that ran before the first look counts as reached only when it runs again.
 * Source: Chrome DevTools Protocol, domain Profiler, precise coverage of blocks.
 */
import { Session, type Profiler } from 'node:inspector';

/** Functions that ran since the last look, each with a byte for every character of its source: 1 where it ran. */
export type Reached = ReadonlyMap<string, Uint8Array>;

const OWN_FOLDER = new URL('.', import.meta.url).href;

/** Ranges come outermost first; an inner one says more exactly what its outer one says of it. */
function ranCharacters({ ranges }: Profiler.FunctionCoverage): Uint8Array {
  const { startOffset: origin, endOffset } = ranges[0]!;
  const ran = new Uint8Array(endOffset - origin);
  for (const range of ranges) ran.fill(range.count > 0 ? 1 : 0, range.startOffset - origin, range.endOffset - origin);
  return ran;
}

/** Where something ran that is not known to; -1: nowhere. */
function firstNew(ran: Uint8Array, known: Uint8Array): number {
  for (let at = 0; at < ran.byteLength; at++) if (ran[at]! > known[at]!) return at;
  return -1;
}

export class Coverage {
  readonly #session = new Session();
  readonly #known = new Map<string, Uint8Array>();
  #blocks = 0;

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Stretches of code that were added one by one. */
  get blocks(): number {
    return this.#blocks;
  }

  take(): Reached {
    const reached = new Map<string, Uint8Array>();
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      for (const { scriptId, url, functions } of result) {
        if (!url.startsWith('file:') || url.startsWith(OWN_FOLDER)) continue;
        for (const own of functions) {
          if (own.ranges.every(({ count }) => count === 0)) continue;
          reached.set(`${scriptId}:${own.ranges[0]!.startOffset}:${own.ranges[0]!.endOffset}`, ranCharacters(own));
        }
      }
    });
    return reached;
  }

  isNew(reached: Reached): boolean {
    for (const [key, ran] of reached) {
      const known = this.#known.get(key);
      if (known === undefined || firstNew(ran, known) >= 0) return true;
    }
    return false;
  }

  add(reached: Reached): void {
    for (const [key, ran] of reached) {
      const known = this.#known.get(key) ?? new Uint8Array(ran.byteLength);
      this.#known.set(key, known);
      let wasNew = false;
      for (let at = 0; at < ran.byteLength; at++) {
        const isNew = ran[at]! > known[at]!;
        if (isNew && !wasNew) this.#blocks++;
        if (isNew) known[at] = 1;
        wasNew = isNew;
      }
    }
  }

  close(): void {
    this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}
