/** A request under an id that nobody knows, coordinated by its entry: others can neither contest nor foresee it. */
import { randomBytes } from 'node:crypto';
import type { PeerId, RequestId } from '../core/ids.ts';
import type { EntryRequest } from './entry-desk.ts';
import type { MemberDirectory } from './ports.ts';

/** @param computers who may have a part in it, and nobody else. */
export function inPrivate(request: EntryRequest, computers: readonly PeerId[], members: MemberDirectory): EntryRequest {
  const isMeant = new Set(computers);
  return {
    ...request,
    requestId: randomBytes(16).toString('hex') as RequestId,
    parallelism: computers.length,
    coordinators: [members.self],
    avoid: members.available().flatMap(({ peer }) => (isMeant.has(peer) ? [] : [peer])),
  };
}
