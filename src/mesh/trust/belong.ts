/** Whether a peer that starts without a mesh begins one, or is told how to join the one that is there. */
import { MeshError } from '../../core/errors.ts';
import type { Logger } from '../../observability/logger.ts';
import { findMeshes } from '../multicast.ts';
import type { Trust } from './trust.ts';

export interface BelongOptions {
  /** Begins a mesh whatever else there is. */
  readonly begins: boolean;
  readonly mdns: boolean;
  readonly bootstrap: readonly string[];
  readonly logger: Logger;
}

/** Members ask after one another more often than that, and answer within a fraction of it. */
const LISTEN_MS = 2_000;

/**
 * @returns whether this peer began a mesh.
 * @throws MeshError NOT_A_MEMBER where there is one already, saying what to type; STORAGE_FAILED.
 */
export async function belong(trust: Trust, options: BelongOptions): Promise<boolean> {
  if (trust.isMember) return false;
  const { begins, mdns, bootstrap, logger } = options;
  if (!begins && bootstrap.length > 0) throw toJoin('Other peers are listed', ` --bootstrap ${bootstrap.join(' ')}`);
  if (!begins && mdns && (await findMeshes(LISTEN_MS, logger)).size > 0) {
    throw toJoin('There is a mesh on this network', '');
  }
  await trust.begin();
  return true;
}

const toJoin = (what: string, options: string): MeshError =>
  new MeshError(
    'NOT_A_MEMBER',
    `${what}, and this board does not belong to it. To join it, type "npx tilemesh invite" on a board that does, and here ` +
      `"npx tilemesh join TOKEN${options}" with the token it prints, then "npx tilemesh up". To begin another mesh, ` +
      'type "npx tilemesh up --new" here.',
  );
