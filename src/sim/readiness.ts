/** What a board has ready: weights on its disk and programs in its kernel. */
import { ELEMENT_BYTES } from '../core/tensor/data-type.ts';
import { hull, intersect, volume, type Region } from '../core/geometry/region.ts';
import type { Graph } from '../core/graph/graph.ts';
import type { Demand } from '../core/program/demand.ts';

export class Readiness {
  readonly #weights = new Map<string, Region>();
  readonly #programs = new Set<string>();

  /** Weights that a tile needs and that are not here, in bytes. */
  missingBytes({ weights }: Demand, graph: Graph): number {
    let bytes = 0;
    for (const [name, region] of weights) {
      const held = this.#weights.get(name);
      const missing = volume(region) - (held === undefined ? 0 : volume(intersect(region, held)));
      bytes += missing * ELEMENT_BYTES[graph.weights.get(name)!.type];
    }
    return bytes;
  }

  hasProgram(key: string): boolean {
    return this.#programs.has(key);
  }

  add(key: string, { weights }: Demand): void {
    this.#programs.add(key);
    for (const [name, region] of weights) {
      const held = this.#weights.get(name);
      this.#weights.set(name, held === undefined ? region : hull(held, region));
    }
  }
}
