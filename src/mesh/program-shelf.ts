/**
 * Prepared programs, kept for the next request while they fit the budget. A program in use stays; of the others the one used
 * longest ago goes first.
 */
import type { Kernel, WeightFile } from '../../kernels/kernel.ts';
import { volume } from '../core/geometry/region.ts';
import { isWinogradConv, WEIGHT_GROWTH } from '../core/ops/winograd-conv.ts';
import type { Program } from '../core/program/program.ts';
import { ELEMENT_BYTES } from '../core/tensor/data-type.ts';

interface Shelved {
  readonly bytes: number;
  users: number;
}

/** What a session costs beside its weights, roughly. */
const SESSION_BYTES = 1 << 20;

/** Transformed weights count as what they have grown to. */
export function programBytes({ nodes, weights }: Program): number {
  const filters = new Set(nodes.filter(isWinogradConv).map(({ inputs }) => inputs[1]));
  return [...weights].reduce(
    (sum, [name, { region, type }]) =>
      sum + volume(region) * ELEMENT_BYTES[type] * (filters.has(name) ? WEIGHT_GROWTH : 1),
    SESSION_BYTES,
  );
}

export class ProgramShelf {
  readonly #kernel: Kernel;
  readonly #budgetBytes: number;
  /** In the order of last use. */
  readonly #shelf = new Map<string, Shelved>();

  /** @param budgetBytes for weights of programs that nobody is using at the moment, those in use included. */
  constructor(kernel: Kernel, budgetBytes: number) {
    this.#kernel = kernel;
    this.#budgetBytes = budgetBytes;
  }

  get kernel(): Kernel {
    return this.#kernel;
  }

  /**
   * Prepares programs and keeps them until the returned function is called.
   * @throws MeshError as `Kernel.prepare`.
   */
  async take(programs: readonly Program[], weights: WeightFile | null, signal: AbortSignal): Promise<() => void> {
    const keys: string[] = [];
    const giveBack = (): void => {
      for (const key of keys.splice(0)) this.#shelf.get(key)!.users -= 1;
      this.#tidy();
    };
    try {
      for (const program of programs) {
        const known = this.#shelf.get(program.key);
        const shelved = known ?? { bytes: programBytes(program), users: 0 };
        shelved.users += 1;
        this.#shelf.delete(program.key);
        this.#shelf.set(program.key, shelved);
        keys.push(program.key);
        await this.#kernel.prepare(program, weights, signal);
      }
    } catch (error) {
      giveBack();
      throw error;
    }
    this.#tidy();
    return giveBack;
  }

  #tidy(): void {
    let bytes = [...this.#shelf.values()].reduce((sum, shelved) => sum + shelved.bytes, 0);
    for (const [key, shelved] of this.#shelf) {
      if (bytes <= this.#budgetBytes) return;
      if (shelved.users > 0) continue;
      bytes -= shelved.bytes;
      this.#shelf.delete(key);
      void this.#kernel.release(key);
    }
  }
}
