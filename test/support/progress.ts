/** How far a long test has come, on one line that is written over and wiped at the end; on a terminal only. */

const INTERVAL_MS = 1000;
const WIPED = '\r\u001B[K';

export class Progress {
  readonly #total: number;
  readonly #terminal: NodeJS.WriteStream;
  #done = 0;
  #shownAt = performance.now();

  constructor(total: number, terminal: NodeJS.WriteStream = process.stderr) {
    this.#total = total;
    this.#terminal = terminal;
  }

  step(): void {
    this.#done++;
    const now = performance.now();
    if (!this.#terminal.isTTY || now - this.#shownAt < INTERVAL_MS) return;
    this.#shownAt = now;
    this.#terminal.write(`${WIPED}      ${this.#done} of ${this.#total}`);
  }

  end(): void {
    if (this.#terminal.isTTY) this.#terminal.write(WIPED);
  }
}
