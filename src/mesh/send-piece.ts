/** Sending pieces so that a failure names the peer that could not be reached. */
import type { Piece } from '../../protocols/pieces/messages.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import { asPeerId, type PeerId } from '../core/ids.ts';
import type { PieceChannel } from './ports.ts';

/** @throws MeshError as `PieceChannel.send`, with the peer as `lostPeer` in its details. */
export async function sendPiece(pieces: PieceChannel, to: PeerId, piece: Piece, signal: AbortSignal): Promise<void> {
  try {
    await pieces.send(to, piece, signal);
  } catch (cause) {
    const { code, message, details } = toMeshError(cause);
    throw new MeshError(code, message, { cause, details: { ...details, lostPeer: to } });
  }
}

/** The peer that such a failure names, as it goes into a message. */
export function lostPeerOf({ details }: MeshError): { readonly lostPeer?: PeerId } {
  const { lostPeer } = details;
  return typeof lostPeer === 'string' ? { lostPeer: asPeerId(lostPeer) } : {};
}
