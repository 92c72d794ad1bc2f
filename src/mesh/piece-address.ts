/** Where pieces go: to a part of a block, or to the station outside the plan. */
import { ASSEMBLY_BLOCK } from '../core/plan/dataflow.ts';

export interface PieceAddress {
  readonly block: number;
  readonly part: number;
}

/** Outputs of the network, at the entry. */
export const TO_ENTRY: PieceAddress = { block: ASSEMBLY_BLOCK, part: 0 };

export const isAt = (address: PieceAddress, { block, part }: PieceAddress): boolean =>
  address.block === block && address.part === part;
