/** Where pieces go: to a part of a block, or to one of the three stations outside the plan. */
import { FOR_ASSEMBLER } from '../../protocols/pieces/constants.ts';
import { ASSEMBLY_BLOCK } from '../core/plan/dataflow.ts';

export interface PieceAddress {
  readonly block: number;
  readonly part: number;
}

/** Outputs of the network, at the coordinator. */
export const TO_ASSEMBLER: PieceAddress = { block: ASSEMBLY_BLOCK, part: 0 };
/** Inputs of the request, at the coordinator. */
export const TO_COORDINATOR: PieceAddress = { block: FOR_ASSEMBLER, part: 1 };
/** The answer, at the entry. */
export const TO_ENTRY: PieceAddress = { block: FOR_ASSEMBLER, part: 2 };

export const isAt = (address: PieceAddress, { block, part }: PieceAddress): boolean =>
  address.block === block && address.part === part;
