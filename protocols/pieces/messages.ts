/** What a piece is: the elements of one region of one tensor, on their way to the tile that needs them. */
import type { Region } from '../../src/core/geometry/region.ts';
import type { RequestId } from '../../src/core/ids.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';

/** A piece without its bytes: enough to decide whether anybody wants it. */
export interface PieceHeader {
  readonly requestId: RequestId;
  /** Counts the coordinators of the request, from 1. */
  readonly term: number;
  /** Counts the plans of the term, from 1. */
  readonly attempt: number;
  /** Block of the plan that consumes it; `FOR_ASSEMBLER` for outputs at the entry. */
  readonly block: number;
  /** Part of that block. */
  readonly part: number;
  /** Name of the tensor in the model's graph. */
  readonly tensor: string;
  readonly type: DataType;
  /** In the coordinates of the whole tensor. */
  readonly region: Region;
  /** Size of the whole piece. */
  readonly byteLength: number;
}

/** `bytes` holds the elements of `region`, row-major, little-endian; whoever is handed one must not write to it. */
export interface Piece extends Omit<PieceHeader, 'byteLength'> {
  readonly bytes: Uint8Array;
}
