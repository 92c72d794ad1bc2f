/** The members that take work, in an order all peers agree on. Plans are cached by the view's hash. */
import { hash32 } from '../hash.ts';
import type { PeerId } from '../ids.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { Member } from './member.ts';

export interface ViewMember {
  readonly peer: PeerId;
  readonly heartbeat: Heartbeat;
}

export interface View {
  /** Alive members and, when it is alive, this peer; by peer id. */
  readonly members: readonly ViewMember[];
  /**
   * 16 hexadecimal digits: who is there, since when, how fast and with how much memory. Not what they hold or do. Worked
   * out when it is first asked for.
   */
  readonly hash: string;
}

const hex = (hash: number): string => hash.toString(16).padStart(8, '0');

export function viewOf(members: Iterable<Member>, self: ViewMember): View {
  const alive = [...members].flatMap(({ peer, state, heartbeat }) =>
    state === 'alive' && heartbeat !== null ? [{ peer, heartbeat }] : [],
  );
  if (self.heartbeat.state === 'alive') alive.push(self);
  alive.sort((a, b) => (a.peer < b.peer ? -1 : 1));
  let hash: string | undefined;
  return {
    members: alive,
    get hash() {
      return (hash ??= hashOf(alive));
    },
  };
}

function hashOf(members: readonly ViewMember[]): string {
  const text = members
    .map(({ peer, heartbeat: { startedAtMs, macsPerSecond, memoryBudgetBytes } }) =>
      [peer, startedAtMs, macsPerSecond, memoryBudgetBytes].join(' '),
    )
    .join('\n');
  return hex(hash32(text, 1)) + hex(hash32(text, 2));
}
