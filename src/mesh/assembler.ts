/** Stitches regions into whole tensors and knows when they are complete. */
import { MeshError } from '../core/errors.ts';
import { copyBox } from '../core/geometry/copy.ts';
import {
  contains,
  describe,
  intersect,
  isEmpty,
  regionShape,
  volume,
  wholeRegion,
  type Region,
} from '../core/geometry/region.ts';
import { ELEMENT_BYTES, type DataType } from '../core/tensor/data-type.ts';
import { zeros, type Shape, type Tensor } from '../core/tensor/tensor.ts';

interface Arrival {
  readonly tensor: string;
  readonly type: DataType;
  readonly region: Region;
  readonly bytes: Uint8Array;
}

export interface ExpectedTensor {
  readonly type: DataType;
  /** Undefined: it comes in one piece, of whatever size. */
  readonly shape: Shape | undefined;
}

interface Slot {
  readonly type: DataType;
  readonly shape: Shape | undefined;
  whole: Tensor | undefined;
  missing: number;
  readonly arrived: Region[];
}

export class Assembler {
  readonly #slots = new Map<string, Slot>();

  constructor(expected: ReadonlyMap<string, ExpectedTensor>) {
    for (const [name, { type, shape }] of expected) {
      const missing = shape === undefined ? 1 : volume(wholeRegion(shape));
      this.#slots.set(name, { type, shape, whole: undefined, missing, arrived: [] });
    }
  }

  expects(tensor: string): boolean {
    return this.#slots.has(tensor);
  }

  get isComplete(): boolean {
    return [...this.#slots.values()].every((slot) => slot.missing === 0);
  }

  /** @throws MeshError INVALID_MESSAGE for what is not expected, of another type, or outside the tensor. */
  add({ tensor, type, region, bytes }: Arrival): void {
    const slot = this.#slots.get(tensor);
    if (slot?.type !== type) throw new MeshError('INVALID_MESSAGE', `no ${type} piece of "${tensor}" is expected`);
    if (slot.shape === undefined) {
      slot.whole = { type, shape: regionShape(region), bytes };
      slot.missing = 0;
      return;
    }
    const full = wholeRegion(slot.shape);
    if (region.length !== full.length || !contains(full, region)) {
      throw new MeshError('INVALID_MESSAGE', `${describe(region)} is not a region of "${tensor}"`);
    }
    // A piece sent twice adds nothing; the first one counts.
    if (slot.arrived.some((other) => !isEmpty(intersect(other, region)))) return;
    slot.arrived.push(region);
    slot.missing -= volume(region);
    if (slot.whole === undefined && slot.missing === 0) {
      slot.whole = { type, shape: slot.shape, bytes };
      return;
    }
    slot.whole ??= zeros(type, slot.shape);
    copyBox({ region, bytes }, { region: full, bytes: slot.whole.bytes }, region, ELEMENT_BYTES[type]);
  }

  /** @throws MeshError INTERNAL while something is missing. */
  result(): Map<string, Tensor> {
    const result = new Map<string, Tensor>();
    for (const [name, slot] of this.#slots) {
      if (slot.missing !== 0 || slot.whole === undefined) {
        throw new MeshError('INTERNAL', `output "${name}" is not complete`);
      }
      result.set(name, slot.whole);
    }
    return result;
  }
}
