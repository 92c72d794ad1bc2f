/** Whoever wants to be called, in the order they asked. */
export class Listeners<Arguments extends readonly unknown[]> {
  readonly #listeners = new Set<(...values: Arguments) => void>();

  /** Returns how to stop listening. */
  add(listener: (...values: Arguments) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Calls all. What one of them throws is a bug of its own: it reaches neither the caller nor the others, but is uncaught. */
  call(...values: Arguments): void {
    for (const listener of this.#listeners) {
      try {
        listener(...values);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
