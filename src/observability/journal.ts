/** The last things that happened, numbered, for whoever wants to read them later or to follow them. */

/** One thing that happened. */
export interface Entry<Value> {
  /** Counts all that was ever written, from 1. */
  readonly sequence: number;
  /** Unix time. */
  readonly unixMs: number;
  readonly value: Value;
}

/** The last things that happened. */
export class Journal<Value> {
  readonly #limit: number;
  readonly #entries: Entry<Value>[] = [];
  readonly #listeners = new Set<(entry: Entry<Value>) => void>();
  #sequence = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds one, and tells the listeners. */
  write(value: Value): void {
    const entry = { sequence: ++this.#sequence, unixMs: Date.now(), value };
    this.#entries.push(entry);
    if (this.#entries.length > this.#limit) this.#entries.shift();
    for (const listener of this.#listeners) listener(entry);
  }

  /** Oldest first. */
  after(sequence: number): readonly Entry<Value>[] {
    return this.#entries.filter((entry) => entry.sequence > sequence);
  }

  /** Listeners must not throw. Returns how to stop. */
  onWrite(listener: (entry: Entry<Value>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
