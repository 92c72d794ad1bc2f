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
  isPrepared: boolean;
}

/** What a session costs beside its weights, roughly. */
const SESSION_BYTES = 1 << 20;

const isOf = (scope: string, key: string): boolean => key.startsWith(`${scope}/`);

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
   * @param weightsFor is asked for the weights of those that are not prepared yet, if there are any.
   * @throws MeshError as `Kernel.prepare` and `weightsFor`.
   */
  async take(
    programs: readonly Program[],
    weightsFor: (programs: readonly Program[]) => Promise<WeightFile | null>,
    signal: AbortSignal,
  ): Promise<() => void> {
    const taken = programs.map((program) => this.#claim(program));
    const giveBack = (): void => {
      for (const shelved of taken.splice(0)) shelved.users -= 1;
      this.#tidy();
    };
    try {
      const unprepared = programs.filter((_, index) => !taken[index]!.isPrepared);
      const weights = unprepared.length === 0 ? null : await weightsFor(unprepared);
      for (const program of unprepared) {
        await this.#kernel.prepare(program, weights, signal);
        this.#shelf.get(program.key)!.isPrepared = true;
      }
    } catch (error) {
      giveBack();
      throw error;
    }
    this.#tidy();
    return giveBack;
  }

  /** Whether somebody has taken a program of that scope and not given it back. */
  isInUse(scope: string): boolean {
    return [...this.#shelf].some(([key, { users }]) => users > 0 && isOf(scope, key));
  }

  /** Releases the programs of a scope, but for those in use: their weights are about to go. */
  async drop(scope: string): Promise<void> {
    const dropped = [...this.#shelf].flatMap(([key, { users }]) => (users === 0 && isOf(scope, key) ? [key] : []));
    for (const key of dropped) this.#shelf.delete(key);
    await Promise.all(dropped.map((key) => this.#kernel.release(key)));
  }

  #claim(program: Program): Shelved {
    const shelved = this.#shelf.get(program.key) ?? { bytes: programBytes(program), users: 0, isPrepared: false };
    shelved.users += 1;
    this.#shelf.delete(program.key);
    this.#shelf.set(program.key, shelved);
    return shelved;
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
