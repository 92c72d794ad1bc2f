/**
 * What a kernel executes: one block of the network for one kind of tile, as a small graph of its own. All sizes that
 * depend on the tile are either dynamic dimensions of its inputs or `parameters`, so that one program (and one session)
 * serves every tile that has the same structure.
 */
import type { Region } from '../geometry/region.ts';
import type { Node } from '../graph/graph.ts';
import type { DataType } from '../tensor/data-type.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';

/** A part of one of the model's weights. */
export interface WeightSlice {
  /** Name of the weight in the model's graph. */
  readonly weight: string;
  readonly type: DataType;
  /** Shape of the whole weight. */
  readonly shape: Shape;
  /** Byte offset of the whole weight in the model's weight blob. */
  readonly offset: number;
  readonly region: Region;
}

export interface ProgramValue {
  readonly name: string;
  readonly type: DataType;
  /** Absent where it is not known before the run. */
  readonly rank?: number;
  /** Present where it is the same at every run. */
  readonly shape?: Shape;
}

export interface Program {
  /** Equal keys mean equal programs; sessions are cached by it. */
  readonly key: string;
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly nodes: readonly Node[];
  /** Regions of boundary tensors, fed at every run. */
  readonly feeds: readonly ProgramValue[];
  /** Small tensors that depend on the tile (paddings, target shapes), fed at every run. */
  readonly parameters: readonly ProgramValue[];
  readonly outputs: readonly ProgramValue[];
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly weights: ReadonlyMap<string, WeightSlice>;
}

/** A tile: a program, where in the boundary tensors it reads and writes, and the parameters that make it this tile. */
export interface Tile {
  readonly program: Program;
  /** Region of each fed boundary tensor, in that tensor's coordinates; null: all of it, of a size not known beforehand. */
  readonly feeds: ReadonlyMap<string, Region | null>;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Region | null>;
  /** Multiply-accumulates, overlap included. */
  readonly macs: number;
  /** Elements written by all nodes, overlap included: the cost of what is bound by memory. */
  readonly elements: number;
}
