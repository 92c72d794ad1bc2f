/** How a mesh is, in one word and one line, as one of its peers sees it. */

export type HealthLevel = 'fine' | 'degraded' | 'critical';

export interface Health {
  readonly level: HealthLevel;
  readonly alive: number;
  /** Without those that left on purpose. */
  readonly members: number;
  /** What is wrong; texts from the network. */
  readonly problems: readonly string[];
  /** What is worth knowing and changes no level; texts from the network. */
  readonly warnings: readonly string[];
}

export interface MemberCondition {
  readonly name: string;
  readonly state: string;
  readonly isSelf: boolean;
  readonly lastSeenMs: number;
  /** Of its program; empty while it has not said. */
  readonly version: string;
}

const WRONG: ReadonlySet<string> = new Set(['suspect', 'failed', 'incompatible', 'banned']);

const describe = ({ name, state, lastSeenMs }: MemberCondition): string =>
  state === 'incompatible' || state === 'banned'
    ? `${name} is ${state}`
    : `${name} is ${state} (not heard for ${Math.round(lastSeenMs / 1000)} s)`;

/** `versions differ: 0.1.0 on kitchen, shelf; 0.2.0 on attic`, as they do while a mesh is upgraded peer by peer. */
function differingVersions(members: readonly MemberCondition[]): readonly string[] {
  const up = members.filter(({ state, version }) => !WRONG.has(state) && version !== '');
  const byVersion = Object.entries(Object.groupBy(up, ({ version }) => version));
  if (byVersion.length <= 1) return [];
  const parts = byVersion.map(([version, peers]) => `${version} on ${peers!.map(({ name }) => name).join(', ')}`);
  return [`versions differ: ${parts.sort().join('; ')}`];
}

/**
 * Critical: the peer takes no requests, or half of the mesh or more is gone.
 * @param troubles of the peer itself.
 */
export function assessHealth(
  members: readonly MemberCondition[],
  isReady: boolean,
  troubles: readonly string[] = [],
): Health {
  const counted = members.filter(({ state }) => state !== 'left');
  const alive = counted.filter(({ state }) => state === 'alive').length;
  const self = counted.find(({ isSelf }) => isSelf);
  const wrong = counted.filter(({ state }) => WRONG.has(state));
  const problems = [
    ...(isReady ? [] : [`${self?.name ?? 'this peer'} takes no requests: it is ${self?.state ?? 'not a member'}`]),
    ...troubles.map((trouble) => `${self?.name ?? 'this peer'}: ${trouble}`),
    ...wrong.map(describe),
  ];
  const isHalfGone = wrong.length > 0 && wrong.length * 2 >= counted.length;
  const level = !isReady || isHalfGone ? 'critical' : problems.length > 0 ? 'degraded' : 'fine';
  return { level, alive, members: counted.length, problems, warnings: differingVersions(counted) };
}
