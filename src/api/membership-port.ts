/** Administering the mesh, as the API is handed it. */
import type { PeerId } from '../core/ids.ts';

export interface MembershipView {
  readonly mesh: string;
  readonly level: 'open' | 'secret' | 'pinned';
  readonly isAdministrator: boolean;
  /** Invitations that are out. */
  readonly invitations: number;
  readonly banned: readonly PeerId[];
  readonly trusted: readonly PeerId[];
  /** Peers that hold the key and wait for approval. */
  readonly pending: readonly { readonly peer: PeerId; readonly atMs: number }[];
}

/** All of it throws MeshError FORBIDDEN where another peer administers the mesh. */
export interface MembershipPort {
  view(): MembershipView;
  /** @param withAdmin whether the new peer shall administer the mesh, too. @throws MeshError CONFLICT, OVERLOADED */
  invite(withAdmin?: boolean): { readonly token: string; readonly expiresAtMs: number };
  trust(peer: PeerId): Promise<void>;
  ban(peer: PeerId): Promise<void>;
  unban(peer: PeerId): Promise<void>;
  rotate(): Promise<void>;
}
