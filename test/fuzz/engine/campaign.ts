/**
 * Fuzzing one parser with inputs that follow from a seed. Guided, an input that runs code that none has run before is kept,
 * and later ones are made from it; blind, all are made from the well-formed ones. Looking at what has run is expensive, so
 * it is done for many inputs at once; when something is new, halves are run again until the input is found.
 */
import { randomOf, type Random } from '../../property/random.ts';
import { Coverage } from './coverage.ts';
import { examine, kindOf } from './examine.ts';
import { mutated, type Material } from './mutations.ts';
import { MAX_BYTES, type Parser, type Violation } from './parser.ts';
import { shrink } from './shrink.ts';

export interface CampaignOptions {
  /** Inputs, apart from those that are run again. */
  readonly inputs: number;
  readonly seed: number;
  readonly isGuided: boolean;
  /** Inputs to begin with, beside the parser's own. */
  readonly corpus: readonly Uint8Array[];
  /** Called with each input before it is run. */
  readonly onInput?: (input: Uint8Array) => void;
}

export interface Outcome {
  readonly inputs: number;
  readonly understood: number;
  readonly refused: number;
  /** Stretches of code that ran; 0 when blind. */
  readonly blocks: number;
  readonly corpus: readonly Uint8Array[];
  readonly violations: readonly Violation[];
}

const MAX_BATCH = 128;
/** Beyond so many kinds of violation there is enough to mend. */
const MAX_KINDS = 10;
/** Bytes of buffers that a batch may leave behind beyond four for each that it brought. */
const BUFFER_SLACK_BYTES = 4 * 2 ** 20;
const BYTES_PER_BYTE = 4;
/** How many of the newest inputs are preferred: what they have opened is not yet explored. */
const NEWEST = 16;

export class Campaign {
  readonly #parser: Parser;
  readonly #options: CampaignOptions;
  readonly #random: Random;
  readonly #coverage: Coverage | undefined;
  readonly #material: Material;
  readonly #corpus: Uint8Array[] = [];
  readonly #violations = new Map<string, Violation>();
  #understood = 0;
  #refused = 0;

  constructor(parser: Parser, options: CampaignOptions) {
    this.#parser = parser;
    this.#options = options;
    this.#random = randomOf(options.seed);
    const words = (parser.words ?? []).map((word) => new TextEncoder().encode(word));
    this.#material = { words, other: () => this.#pick() };
    this.#coverage = options.isGuided ? new Coverage() : undefined;
  }

  async run(): Promise<Outcome> {
    const given = [...this.#parser.seeds(), ...this.#options.corpus];
    for (const input of given) {
      await this.#examine(input);
      this.#corpus.push(input);
    }
    // What runs on the first use only, such as what is made for later ones, would be taken for found.
    for (const input of given) await this.#examine(input);
    this.#coverage?.add(this.#coverage.take());
    let done = 0;
    let size = 1;
    while (done < this.#options.inputs && this.#violations.size < MAX_KINDS) {
      const batch = Array.from({ length: Math.min(size, this.#options.inputs - done) }, () => this.#next());
      const hasFound = await this.#runBatch(batch);
      done += batch.length;
      size = hasFound ? Math.max(1, size >> 2) : Math.min(MAX_BATCH, size * 2);
    }
    this.#coverage?.close();
    return {
      inputs: done,
      understood: this.#understood,
      refused: this.#refused,
      blocks: this.#coverage?.blocks ?? 0,
      corpus: this.#corpus,
      violations: [...this.#violations.values()],
    };
  }

  #pick(): Uint8Array {
    const isNewest = this.#random.chance(0.5);
    return this.#random.pick(isNewest ? this.#corpus.slice(-NEWEST) : this.#corpus);
  }

  #next(): Uint8Array {
    const { mend, maxBytes = MAX_BYTES } = this.#parser;
    const noise = (): Uint8Array =>
      Uint8Array.from({ length: this.#random.integer(0, 200) }, () => this.#random.integer(0, 255));
    const input = this.#random.chance(0.02)
      ? noise()
      : mutated(this.#pick(), this.#random, this.#material).subarray(0, maxBytes);
    return mend !== undefined && this.#random.chance(0.9) ? mend(input) : input;
  }

  /** Whether any of them ran what none had run. */
  async #runBatch(batch: readonly Uint8Array[]): Promise<boolean> {
    const before = process.memoryUsage().arrayBuffers;
    for (const input of batch) await this.#count(input);
    const received = batch.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const taken = process.memoryUsage().arrayBuffers - before;
    const allowed = BYTES_PER_BYTE * received + BUFFER_SLACK_BYTES + batch.length * (this.#parser.ownBytes ?? 0);
    if (taken > allowed) this.#report(batch, taken, received);
    const coverage = this.#coverage;
    if (coverage === undefined) return false;
    const reached = coverage.take();
    if (!coverage.isNew(reached)) return false;
    await this.#find(batch, coverage);
    // What is not found again ran once only: it is known all the same.
    coverage.add(reached);
    return true;
  }

  /** Keeps those of the inputs that run what none had run. */
  async #find(inputs: readonly Uint8Array[], coverage: Coverage): Promise<void> {
    for (const input of inputs) await this.#examine(input);
    const reached = coverage.take();
    if (!coverage.isNew(reached)) return;
    if (inputs.length === 1) {
      this.#corpus.push(inputs[0]!);
      coverage.add(reached);
      return;
    }
    const half = inputs.length >> 1;
    await this.#find(inputs.slice(0, half), coverage);
    await this.#find(inputs.slice(half), coverage);
  }

  async #examine(input: Uint8Array): ReturnType<typeof examine> {
    this.#options.onInput?.(input);
    return examine(this.#parser, input);
  }

  async #count(input: Uint8Array): Promise<void> {
    const { violation, value } = await this.#examine(input);
    if (violation === undefined) {
      if (value === undefined) this.#refused++;
      else this.#understood++;
      return;
    }
    const kind = kindOf(violation);
    if (this.#violations.has(kind)) return;
    this.#violations.set(kind, await shrink(this.#parser, violation));
  }

  #report(batch: readonly Uint8Array[], taken: number, received: number): void {
    const largest = batch.reduce((most, input) => (input.byteLength > most.byteLength ? input : most));
    const message = `${taken} bytes of buffers for ${received} that came in ${batch.length} inputs`;
    const violation: Violation = {
      parser: this.#parser.name,
      kind: 'memory',
      message,
      input: Buffer.from(largest).toString('hex'),
    };
    this.#violations.set(kindOf(violation), violation);
  }
}
