/** Administering the mesh, as the API is handed it. */
import type { PeerId } from '../core/ids.ts';

/** Who belongs to the mesh, as one of its peers knows. */
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
  /** Who belongs to the mesh and who does not, as this peer knows. */
  view(): MembershipView;
  /** @param withAdmin whether the new peer shall administer the mesh, too. @throws MeshError CONFLICT, OVERLOADED */
  invite(withAdmin?: boolean): { readonly token: string; readonly expiresAtMs: number };
  /** Approves a peer that waits for it, at the level pinned. */
  trust(peer: PeerId): Promise<void>;
  /** Shuts a peer out and replaces the key that it knows. */
  ban(peer: PeerId): Promise<void>;
  /** Lets a banned peer be invited again. */
  unban(peer: PeerId): Promise<void>;
  /** Replaces the key of the mesh while everything runs. */
  rotate(): Promise<void>;
}
