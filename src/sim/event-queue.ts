/** A virtual clock: what is to happen, in the order of time; what is due at the same time, in the order it was asked for. */

interface Event {
  readonly dueMs: number;
  readonly sequence: number;
  readonly action: () => void;
  isCancelled: boolean;
}

const isBefore = (a: Event, b: Event): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);

export class EventQueue {
  /** A binary heap: each event is due no later than the two at twice its index and one or two on. */
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #sequence = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** At a time of the clock; what is past happens now. Returns how to prevent it. */
  at(dueMs: number, action: () => void): () => void {
    const event = { dueMs: Math.max(this.#nowMs, dueMs), sequence: this.#sequence++, action, isCancelled: false };
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  after(delayMs: number, action: () => void): () => void {
    return this.at(this.#nowMs + delayMs, action);
  }

  /** Lets everything happen up to a time, or until there is nothing left or `isDone` says so. */
  run(untilMs = Infinity, isDone: () => boolean = () => false): void {
    while (!isDone()) {
      const [event] = this.#heap;
      if (event === undefined || event.dueMs > untilMs) break;
      this.#pop();
      if (event.isCancelled) continue;
      this.#nowMs = event.dueMs;
      event.action();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const event = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && isBefore(heap[right]!, heap[left]!) ? right : left;
      if (!isBefore(heap[child]!, event)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = event;
  }
}
